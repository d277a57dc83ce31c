package ingestion_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
)

func events(name string, change func(*dataset.Spec)) dataset.Spec {
	s := dataset.Spec{Domain: "web", Name: name, Keys: []string{"id"}, Columns: []dataset.Column{{Name: "id", Type: dataset.String}}}
	if change != nil {
		change(&s)
	}
	return s
}

func TestStreamSpecsAndLandings(t *testing.T) {
	given := []dataset.Spec{events("clicks", nil), events("errors", func(s *dataset.Spec) { s.Format = dataset.JSON{} })}
	s := ingestion.Stream{Datasets: given, RouteBy: "dataset"}
	for i, spec := range s.Specs() {
		if spec.Format != (dataset.JSON{RouteBy: "dataset"}) {
			t.Errorf("dataset %d has the format %v", i, spec.Format)
		}
	}
	for _, alone := range (ingestion.Stream{Datasets: given[:1]}).Specs() {
		if alone.Format != (dataset.JSON{}) {
			t.Errorf("a stream that does not route: got the format %v", alone.Format)
		}
	}
	if given[0].Format != nil {
		t.Error("Specs changes what the caller passed")
	}
	got := s.Landings("WebClicks")
	want := []dataset.Landing{
		{Prefix: "web-clicks/web/clicks/", Dataset: "web.clicks", Source: "WebClicks"},
		{Prefix: "web-clicks/web/errors/", Dataset: "web.errors", Source: "WebClicks"},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func TestStreamValidate(t *testing.T) {
	promise := func(d time.Duration) func(*dataset.Spec) {
		return func(s *dataset.Spec) { s.Freshness = d }
	}
	format := func(f dataset.Format) func(*dataset.Spec) {
		return func(s *dataset.Spec) { s.Format = f }
	}
	changes := func(f dataset.Format) func(*dataset.Spec) {
		return func(s *dataset.Spec) { s.Load, s.Format = dataset.CDC, f }
	}
	var many []dataset.Spec
	for i := range 60 {
		many = append(many, events(fmt.Sprintf("%s_%d", strings.Repeat("n", 58), i), nil))
	}
	one := []dataset.Spec{events("clicks", nil)}
	two := []dataset.Spec{events("clicks", nil), events("errors", nil)}
	tests := map[string]struct {
		give ingestion.Stream
		want []string
	}{
		"nothing":                {ingestion.Stream{}, []string{"Datasets: is empty"}},
		"smallest":               {ingestion.Stream{Datasets: one}, nil},
		"one that is routed":     {ingestion.Stream{Datasets: one, RouteBy: "meta.Dataset-1_x"}, nil},
		"no way to route":        {ingestion.Stream{Datasets: two}, []string{"RouteBy: is missing, but the stream has several datasets"}},
		"no field":               {ingestion.Stream{Datasets: two, RouteBy: "data set"}, []string{`RouteBy: is no field name; got "data set"; allowed: a field name [A-Za-z_]`}},
		"another field":          {ingestion.Stream{Datasets: []dataset.Spec{events("a", format(dataset.JSON{RouteBy: "e"}))}, RouteBy: "d"}, []string{`Datasets[0].Format.RouteBy: is not the field by which the stream routes; got "e"; allowed: d, or none`}},
		"the same field":         {ingestion.Stream{Datasets: []dataset.Spec{events("a", format(dataset.JSON{RouteBy: "d"}))}, RouteBy: "d"}, nil},
		"field of a token":       {ingestion.Stream{Datasets: two, RouteBy: "${Token[X.1]}"}, []string{"RouteBy: is known only at deployment"}},
		"CSV":                    {ingestion.Stream{Datasets: []dataset.Spec{events("a", format(dataset.CSV{NoHeader: true}))}}, nil},
		"CSV with a header":      {ingestion.Stream{Datasets: []dataset.Spec{events("a", format(dataset.CSV{}))}}, []string{"Datasets[0].Format: has a header line"}},
		"CSV that is routed":     {ingestion.Stream{RouteBy: "d", Datasets: []dataset.Spec{events("a", format(dataset.CSV{NoHeader: true}))}}, []string{"Datasets[0].Format: has no field that names the dataset"}},
		"Parquet":                {ingestion.Stream{Datasets: []dataset.Spec{events("a", format(dataset.Parquet{}))}}, []string{`Datasets[0].Format: is no format of records; got "Parquet"`}},
		"changes":                {ingestion.Stream{Datasets: []dataset.Spec{events("a", changes(dataset.DMSJSON{Table: "public.a"}))}}, nil},
		"changes without order":  {ingestion.Stream{Datasets: []dataset.Spec{events("a", changes(dataset.JSON{}))}}, []string{"Datasets[0].Format: holds no changes", "Datasets[0].Load: is not for records of this format"}},
		"changes in CSV":         {ingestion.Stream{Datasets: []dataset.Spec{events("a", changes(dataset.DMSCSV{}))}}, []string{"Datasets[0].Format: is no format of records"}},
		"changes of many tables": {ingestion.Stream{RouteBy: "d", Datasets: []dataset.Spec{events("a", changes(dataset.DMSJSON{Table: "public.a"}))}}, []string{"Datasets[0].Format: has no field that names the dataset"}},
		"records without a key":  {ingestion.Stream{Datasets: []dataset.Spec{events("a", func(s *dataset.Spec) { s.Keys = nil })}}, []string{"Datasets[0].Keys: is empty, but a stream delivers at least once"}},
		"snapshots":              {ingestion.Stream{Datasets: []dataset.Spec{events("a", func(s *dataset.Spec) { s.Load = dataset.Snapshot })}}, []string{"Datasets[0].Load: is not for a stream"}},
		"too many names":         {ingestion.Stream{Datasets: many, RouteBy: "d"}, []string{"Datasets: are too many for one stream", "got 60; allowed: at most 3500 bytes"}},
		"nil producer":           {ingestion.Stream{Datasets: one, Producers: []awsiam.IGrantable{nil}}, []string{"Producers[0]: is nil"}},
		"largest buffer":         {ingestion.Stream{Datasets: one, Buffer: ingestion.Buffer{Size: 128, Interval: 15 * time.Minute}}, nil},
		"smallest buffer":        {ingestion.Stream{Datasets: one, Buffer: ingestion.Buffer{Size: 64, Interval: time.Minute}}, nil},
		"buffer out of range":    {ingestion.Stream{Datasets: one, Buffer: ingestion.Buffer{Size: 63, Interval: 59 * time.Second}}, []string{"Buffer.Size: is out of range; got 63; allowed: 64 to 128 MiB", "Buffer.Interval: is out of range; got 59s; allowed: whole seconds from 1m0s to 15m0s"}},
		"buffer too large":       {ingestion.Stream{Datasets: one, Buffer: ingestion.Buffer{Size: 129, Interval: 15*time.Minute + time.Second}}, []string{"got 129", "got 15m1s"}},
		"parts of a second":      {ingestion.Stream{Datasets: one, Buffer: ingestion.Buffer{Interval: 90*time.Second + time.Millisecond}}, []string{"Buffer.Interval: is out of range"}},
		"as fresh as promised": {ingestion.Stream{Datasets: []dataset.Spec{events("a", promise(10*time.Minute)), events("b", promise(2*time.Minute))}, RouteBy: "d",
			Buffer: ingestion.Buffer{Interval: 2 * time.Minute}}, nil},
		"later than promised": {ingestion.Stream{Datasets: []dataset.Spec{events("a", promise(2*time.Minute))}, Buffer: ingestion.Buffer{Interval: 3 * time.Minute}},
			[]string{"Buffer.Interval: is longer than the freshness a dataset promises; got 3m0s; allowed: at most 2m0s"}},
		"every problem at once": {ingestion.Stream{Datasets: []dataset.Spec{events("Clicks", nil), {}}, Buffer: ingestion.Buffer{Size: 1}},
			[]string{"Datasets[0].Name", "Datasets[1].Domain: is missing", "Datasets[1].Keys", "RouteBy: is missing", "Buffer.Size"}},
	}
	for name, tt := range tests {
		err := tt.give.Validate()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: want %d problems, got %v", name, len(tt.want), err)
		}
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want %q in %v", name, want, err)
			}
		}
	}
}

func TestStreamPropsValidate(t *testing.T) {
	var none *ingestion.StreamProps
	err := none.Validate()
	for _, want := range []string{"Lake: is missing", "Raw: is missing", "Ledger: is missing", "Datasets: is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nil props: want %q in %v", want, err)
		}
	}
	bad := &ingestion.StreamProps{Lake: "My Lake", LogRetention: time.Hour,
		Stream: ingestion.Stream{RouteBy: "d", Datasets: []dataset.Spec{events("clicks", nil), events("clicks", nil)}}}
	err = bad.Validate()
	for _, want := range []string{`Lake: is not a valid name; got "My Lake"`, "LogRetention: ", "Datasets[1]: the id is taken by Datasets[0]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}
