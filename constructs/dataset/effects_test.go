package dataset_test

import (
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/effects"
)

// nothing is the scope of declarations, which need none.
type nothing struct{}

// stated is the manifest of a lake with this dataset. It panics if the dataset is refused.
func stated(_ nothing, s *dataset.Spec) string {
	landing := []dataset.Landing{{Prefix: "in/" + s.Domain + "/" + s.Name + "/", Dataset: s.ID(), Source: "In"}}
	if s.Load == dataset.CDC {
		first := 1
		landing[0].Generation = &first
	}
	m, err := dataset.NewManifest("shop", []dataset.Spec{*s}, landing, nil)
	if err != nil {
		panic(err)
	}
	return string(m.Bytes())
}

func plainSpec(nothing) dataset.Spec {
	return dataset.Spec{Domain: "lab", Name: "runs", Keys: []string{"id"}, Columns: []dataset.Column{
		{Name: "id", Type: dataset.Bigint}, {Name: "at", Type: dataset.Timestamp}, {Name: "seq", Type: dataset.Bigint},
	}}
}

func TestSpecCounts(t *testing.T) {
	type spec = dataset.Spec
	snapshot := func(_ nothing, s *spec) { s.Load = dataset.Snapshot }
	problems := effects.Ineffective(func() nothing { return nothing{} }, plainSpec, stated, effects.Changes[nothing, spec]{
		"Domain": {}, "Name": {}, "Columns": {},
		"Owner": {Do: func(_ nothing, s *spec) { s.Owner = "lab" }},
		"Doc":   {Do: func(_ nothing, s *spec) { s.Doc = "One row per run." }},
		"Load":  {Do: snapshot},
		"Keys":  {Do: func(_ nothing, s *spec) { s.Keys = []string{"id", "seq"} }},
		"Sequence": {Given: func(_ nothing, s *spec) {
			s.Load, s.Sequence = dataset.Upsert, "seq"
		}, Do: func(_ nothing, s *spec) { s.Sequence = "at" }},
		"Window.Column": {Given: func(_ nothing, s *spec) {
			s.Columns = append(s.Columns, dataset.Column{Name: "day", Type: dataset.Date})
			s.Window = dataset.Window{Column: "day", Length: 48 * time.Hour}
		}, Do: func(_ nothing, s *spec) { s.Window.Column = "at" }},
		"Window.Length": {Given: func(_ nothing, s *spec) {
			s.Window = dataset.Window{Column: "at", Length: 48 * time.Hour}
		}, Do: func(_ nothing, s *spec) { s.Window.Length = 24 * time.Hour }},
		"Rules":                    {Do: func(_ nothing, s *spec) { s.Rules = dataset.Rules{dataset.UniqueKey()} }},
		"Format":                   {Do: func(_ nothing, s *spec) { s.Format = dataset.Parquet{} }},
		"Drift":                    {Do: func(_ nothing, s *spec) { s.Drift = dataset.Strict }},
		"Deliveries.Stamp":         {Given: snapshot, Do: func(_ nothing, s *spec) { s.Deliveries.Stamp = time.DateOnly }},
		"TableFormat":              {Do: func(_ nothing, s *spec) { s.TableFormat = dataset.Delta }},
		"Gate.MaxQuarantinedShare": {Do: func(_ nothing, s *spec) { s.Gate.MaxQuarantinedShare = dataset.Share(0.5) }},
		"Gate.MinRows":             {Do: func(_ nothing, s *spec) { s.Gate.MinRows = 5 }},
		"Gate.MaxDeletedShare":     {Given: snapshot, Do: func(_ nothing, s *spec) { s.Gate.MaxDeletedShare = dataset.Share(0.25) }},
		"Profile":                  {Do: func(_ nothing, s *spec) { s.Profile = true }},
		"Maintenance.Snapshots":    {Do: func(_ nothing, s *spec) { s.Maintenance.Snapshots = 48 * time.Hour }},
		"Maintenance.Unreferenced": {Do: func(_ nothing, s *spec) { s.Maintenance.Unreferenced = 96 * time.Hour }},
		"Maintenance.FileBytes":    {Do: func(_ nothing, s *spec) { s.Maintenance.FileBytes = 64 << 20 }},
		"Maintenance.SmallFiles":   {Do: func(_ nothing, s *spec) { s.Maintenance.SmallFiles = 3 }},
		"Subject.Name": {Given: func(_ nothing, s *spec) {
			s.Subject = dataset.Subject{Name: "person", Column: "id"}
		}, Do: func(_ nothing, s *spec) { s.Subject.Name = "reader" }},
		"Subject.Column": {Given: func(_ nothing, s *spec) {
			s.Subject = dataset.Subject{Name: "person", Column: "id"}
		}, Do: func(_ nothing, s *spec) { s.Subject.Column = "seq" }},
		"Freshness": {Do: func(_ nothing, s *spec) { s.Freshness = time.Hour }},
	})
	for _, problem := range problems {
		t.Error(problem)
	}
}

func TestColumnCounts(t *testing.T) {
	type column = dataset.Column
	problems := effects.Ineffective(func() nothing { return nothing{} },
		func(nothing) column { return column{Name: "note", Type: dataset.String} },
		func(_ nothing, c *column) string {
			s := plainSpec(nothing{})
			s.Columns = append(s.Columns, *c)
			return stated(nothing{}, &s)
		}, effects.Changes[nothing, column]{
			"Name": {}, "Type": {},
			"Doc":      {Do: func(_ nothing, c *column) { c.Doc = "What was noted." }},
			"Required": {Do: func(_ nothing, c *column) { c.Required = true }},
			"Class":    {Do: func(_ nothing, c *column) { c.Class = dataset.Public }},
			"Protect":  {Do: func(_ nothing, c *column) { c.Protect = dataset.Hash }},
			"Rules":    {Do: func(_ nothing, c *column) { c.Rules = dataset.Rules{dataset.OneOf("a")} }},
		})
	for _, problem := range problems {
		t.Error(problem)
	}
}

// ofFormat is the manifest of a dataset whose files are of this format.
func ofFormat[F dataset.Format](load dataset.Load) func(nothing, *F) string {
	return func(_ nothing, f *F) string {
		s := plainSpec(nothing{})
		s.Load, s.Format = load, *f
		return stated(nothing{}, &s)
	}
}

func TestFormatsCount(t *testing.T) {
	none := func() nothing { return nothing{} }
	problems := effects.Ineffective(none, func(nothing) dataset.CSV { return dataset.CSV{} }, ofFormat[dataset.CSV](dataset.Append),
		effects.Changes[nothing, dataset.CSV]{
			"NoHeader":  {Do: func(_ nothing, f *dataset.CSV) { f.NoHeader = true }},
			"Delimiter": {Do: func(_ nothing, f *dataset.CSV) { f.Delimiter = ";" }},
			"NullValue": {Do: func(_ nothing, f *dataset.CSV) { f.NullValue = "NULL" }},
		})
	problems = append(problems, effects.Ineffective(none, func(nothing) dataset.JSON { return dataset.JSON{} }, ofFormat[dataset.JSON](dataset.Append),
		effects.Changes[nothing, dataset.JSON]{"RouteBy": {Do: func(_ nothing, f *dataset.JSON) { f.RouteBy = "kind" }}})...)
	problems = append(problems, effects.Ineffective(none, func(nothing) dataset.DMS { return dataset.DMS{} }, ofFormat[dataset.DMS](dataset.CDC),
		effects.Changes[nothing, dataset.DMS]{"Transactions": {Do: func(_ nothing, f *dataset.DMS) { f.Transactions = true }}})...)
	problems = append(problems, effects.Ineffective(none, func(nothing) dataset.DMSCSV { return dataset.DMSCSV{} }, ofFormat[dataset.DMSCSV](dataset.CDC),
		effects.Changes[nothing, dataset.DMSCSV]{
			"Delimiter": {Do: func(_ nothing, f *dataset.DMSCSV) { f.Delimiter = ";" }},
			"NullValue": {Do: func(_ nothing, f *dataset.DMSCSV) { f.NullValue = `\N` }},
		})...)
	problems = append(problems, effects.Ineffective(none, func(nothing) dataset.DMSJSON { return dataset.DMSJSON{Table: "public.runs"} }, ofFormat[dataset.DMSJSON](dataset.CDC),
		effects.Changes[nothing, dataset.DMSJSON]{"Table": {}})...)
	for _, problem := range problems {
		t.Error(problem)
	}
}
