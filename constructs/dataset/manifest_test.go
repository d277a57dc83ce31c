package dataset_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

var update = flag.Bool("update", false, "rewrite the golden manifest")

const golden = "testdata/manifest.golden.json"

// everything declares each kind of everything that can be declared.
func everything(tb testing.TB) ([]dataset.Spec, []dataset.Landing, []dataset.Model) {
	tb.Helper()
	kinds := dataset.Spec{
		Domain: "lab", Name: "kinds", Doc: "Every type, rule, class & protection: <all>.",
		Keys: []string{"text", "day"}, Format: dataset.Parquet{},
		Rules: dataset.Rules{dataset.UniqueKey(), dataset.RowCountWithin(2.5, 7), dataset.Satisfies("small_is_small", "small < 100 OR big > 0"),
			dataset.Satisfies("priced", "price IS NOT NULL").Mostly(0.9).Warn(), dataset.CustomSQL("no_gap", "SELECT count(*) FROM {{ table }} WHERE big IS NULL").Warn()},
		Columns: []dataset.Column{
			{Name: "text", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Hash, Rules: dataset.Rules{dataset.Pattern(`^[A-Z]+$`), dataset.OneOf("O", "F")}},
			{Name: "flag", Type: dataset.Boolean, Class: dataset.Public, Rules: dataset.Rules{dataset.Completeness(0.98), dataset.Completeness(1).Warn()}},
			{Name: "small", Type: dataset.Int, Rules: dataset.Rules{dataset.AtMost(7), dataset.OneOf(1, 2)}},
			{Name: "big", Type: dataset.Bigint, Required: true, Rules: dataset.Rules{dataset.AtLeast(-1)}},
			{Name: "ratio", Type: dataset.Double, Rules: dataset.Rules{dataset.Between(0.1, 0.9).Block(), dataset.AtMost(0.8).Mostly(0.75).Warn()}},
			{Name: "day", Type: dataset.Date, Doc: "The day, in UTC.", Rules: dataset.Rules{dataset.Between("1992-01-01", "1998-12-31")}},
			{Name: "moment", Type: dataset.Timestamp, Rules: dataset.Rules{dataset.AtLeast("1992-01-01T00:00:00.5"), dataset.FreshWithin(36 * time.Hour)}},
			{Name: "price", Type: dataset.Decimal(15, 2), Protect: dataset.Hash},
			{Name: "secret", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Drop},
		},
		Gate: dataset.Gate{MinRows: 10},
	}
	events := dataset.Spec{
		Domain: "lab", Name: "events", Load: dataset.Append, Keys: []string{"id"},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Decimal(38, 0), Rules: dataset.Rules{dataset.Uniqueness(0.5).Warn()}},
			{Name: "note", Type: dataset.String, Rules: dataset.Rules{dataset.References("lab.clicks", "payload"), dataset.References("lab.taps", "id").Mostly(0.8).Block()}}},
		Format:    dataset.CSV{NoHeader: true, Delimiter: "|", NullValue: `\N`},
		Freshness: time.Hour,
	}
	parcels := dataset.Spec{
		Domain: "sales", Name: "parcels", Load: dataset.CDC, Keys: []string{"id", "line"}, Format: dataset.DMS{},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, {Name: "line", Type: dataset.Int}, {Name: "weight", Type: dataset.Double}},
	}
	returns := dataset.Spec{
		Domain: "sales", Name: "returns", Load: dataset.CDC, Keys: []string{"id"}, Format: dataset.DMS{Transactions: true},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, {Name: "reason", Type: dataset.String}},
	}
	clicks := dataset.Spec{
		Domain: "lab", Name: "clicks", Keys: []string{"id"}, Format: dataset.JSON{}, Subject: dataset.Subject{Name: "reader", Column: "id"},
		Columns: []dataset.Column{{Name: "id", Type: dataset.String}, {Name: "payload", Type: dataset.String}},
	}
	taps := dataset.Spec{
		Domain: "lab", Name: "taps", Keys: []string{"id"}, Format: dataset.JSON{RouteBy: "dataset"}, TableFormat: dataset.Delta,
		Columns: []dataset.Column{{Name: "id", Type: dataset.String}},
	}
	rates := dataset.Spec{
		Domain: "lab", Name: "rates", Profile: true, Load: dataset.Snapshot, Keys: []string{"id"}, Maintenance: dataset.Maintenance{Snapshots: 48 * time.Hour}, Deliveries: dataset.Deliveries{Stamp: time.DateOnly},
		Columns: []dataset.Column{{Name: "id", Type: dataset.String}, {Name: "rate", Type: dataset.Decimal(9, 4)}},
		Gate:    dataset.Gate{MaxDeletedShare: dataset.Share(0.2)},
	}
	trips := dataset.Spec{
		Domain: "yard", Name: "trips", Load: dataset.CDC, Keys: []string{"id"}, Format: dataset.DMSCSV{Delimiter: ";"},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, {Name: "driver", Type: dataset.String}},
	}
	stops := dataset.Spec{
		Domain: "yard", Name: "stops", Load: dataset.CDC, Keys: []string{"id"}, Format: dataset.DMSJSON{Table: "public.stops"},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, {Name: "place", Type: dataset.String}},
	}
	visits := dataset.Spec{
		Domain: "yard", Name: "visits", Drift: dataset.Strict, Keys: []string{"id"}, Window: dataset.Window{Column: "at", Length: 48 * time.Hour},
		Columns: []dataset.Column{{Name: "id", Type: dataset.String}, {Name: "at", Type: dataset.Timestamp}},
	}
	weather := dataset.Spec{
		Domain: "yard", Name: "weather", Load: dataset.Snapshot, Drift: dataset.Evolve, Columns: []dataset.Column{{Name: "station", Type: dataset.String}},
	}
	people := dataset.Spec{
		Domain: "yard", Name: "people", Keys: []string{"id"},
		Columns: []dataset.Column{
			{Name: "id", Type: dataset.String, Protect: dataset.Hash},
			{Name: "mail", Type: dataset.String, Class: dataset.Personal, Protect: dataset.HashUnder("2027")},
			{Name: "phone", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Tokenise("phones")},
			{Name: "title", Type: dataset.String, Protect: dataset.Null},
			{Name: "card", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Mask(dataset.Keep{First: 2, Last: 4, Rest: '•'})},
			{Name: "name", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Mask(dataset.Keep{})},
			{Name: "postcode", Type: dataset.String, Protect: dataset.Prefix(3)},
			{Name: "income", Type: dataset.Decimal(12, 2), Protect: dataset.Bucket(0.5)},
			{Name: "age", Type: dataset.Int, Protect: dataset.Bucket(10)},
			{Name: "born", Type: dataset.Date, Class: dataset.Personal, Protect: dataset.ToYear},
			{Name: "hired", Type: dataset.Date, Protect: dataset.ToQuarter},
			{Name: "seen", Type: dataset.Timestamp, Protect: dataset.ToMonth},
			{Name: "met", Type: dataset.Timestamp, Protect: dataset.ToDay},
		},
	}
	first, second := 1, 2
	models, err := dataset.Models(os.DirFS("testdata/models"))
	if err != nil {
		tb.Fatal(err)
	}
	return []dataset.Spec{orders(), kinds, events, parcels, returns, clicks, taps, rates, trips, stops, visits, weather, people}, []dataset.Landing{
		{Prefix: "files/sales/orders/", Dataset: "sales.orders", Source: "Files"},
		{Prefix: "files/lab/", Dataset: "lab.kinds", Source: "Files"},
		{Prefix: "files/lab/events/", Dataset: "lab.events", Source: "Files"},
		{Prefix: "erp/g1/public/parcels/", Dataset: "sales.parcels", Source: "Erp", Generation: &first},
		{Prefix: "erp/g2/public/parcels/", Dataset: "sales.parcels", Source: "Erp", Generation: &second},
		{Prefix: "erp/g2/public/returns/", Dataset: "sales.returns", Source: "Erp", Generation: &second},
		{Prefix: "files/yard/visits/", Dataset: "yard.visits", Source: "Files"},
		{Prefix: "files/yard/trips/", Dataset: "yard.trips", Source: "Files", Generation: &first},
		{Prefix: "files/yard/stops/", Dataset: "yard.stops", Source: "Files", Generation: &first},
		{Prefix: "files/lab/rates/", Dataset: "lab.rates", Source: "Files"},
		{Prefix: "clicks/lab/clicks/", Dataset: "lab.clicks", Source: "Clicks"},
	}, models
}

func manifest(tb testing.TB) *dataset.Manifest {
	tb.Helper()
	specs, landing, models := everything(tb)
	m, err := dataset.NewManifest("commerce", specs, landing, models)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestGoldenManifest(t *testing.T) {
	m := manifest(t)
	if *update {
		if err := os.WriteFile(golden, m.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Bytes(), want) {
		t.Errorf("the manifest is not the golden one; look at the difference after go test -update\ngot %s", m.Bytes())
	}
	read, err := dataset.ParseManifest(want)
	if err != nil {
		t.Fatal(err)
	}
	if read.Hash() != m.Hash() || len(m.Hash()) != 64 {
		t.Errorf("hash: got %s after reading, %s before", read.Hash(), m.Hash())
	}
	e, ok := read.Dataset("lab.kinds")
	if !ok || e.Load != dataset.Append || e.Columns[0].Protect != dataset.Hash || e.Columns[8].Class != dataset.Personal || e.Gate.MinRows != 10 || !e.Columns[0].Required {
		t.Errorf("read back: %+v", e)
	}
}

// The schema and the golden manifest name the same members in the same order; jobs validate the values against it.
func TestSchemaNamesTheMembersOfTheGoldenManifest(t *testing.T) {
	var schema struct {
		Required   []string
		Properties map[string]json.RawMessage
		Defs       map[string]struct {
			Required   []string
			Properties map[string]json.RawMessage
			OneOf      []struct{ Required []string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(dataset.ManifestSchema, &schema); err != nil {
		t.Fatal(err)
	}
	m := manifest(t)
	kind, _ := m.Dataset("lab.kinds")
	column := kind.Columns[0]
	// Members that a manifest of an older library does not have either.
	optional := map[string]int{"dataset": 6, "gate": 1, "format": 1}
	objects := map[string]any{
		"dataset": *kind, "format": kind.Format, "column": column, "gate": kind.Gate, "landing": m.Landing[0], "model": m.Models[0], "vault": m.Vaults[0],
	}
	if got, want := members(t, m), append(schema.Required, "vaults"); !slices.Equal(got, want) || len(got) != len(schema.Properties) {
		t.Errorf("manifest: got %v, schema has %v", got, want)
	}
	for name, object := range objects {
		def := schema.Defs[name]
		if got := members(t, object); !slices.Equal(got, def.Required) || len(got)+optional[name] != len(def.Properties) {
			t.Errorf("%s: got %v, schema has %v", name, got, def.Required)
		}
	}
	snapshot, _ := m.Dataset("lab.rates")
	said := map[string]int{"dataset": 3, "gate": 1}
	for name, object := range map[string]any{"dataset": *snapshot, "gate": snapshot.Gate, "delivery": snapshot.Delivery, "maintenance": snapshot.Maintenance} {
		got, def := members(t, object), schema.Defs[name]
		for _, member := range got {
			if _, ok := def.Properties[member]; !ok {
				t.Errorf("%s of a snapshot: the schema has no %s", name, member)
			}
		}
		if len(got) != len(def.Required)+said[name] {
			t.Errorf("%s of a snapshot: got %v", name, got)
		}
	}
	for name, rules := range map[string][]dataset.Rule{
		"rule":         {dataset.AtLeast(1), dataset.OneOf("a"), dataset.Pattern("a"), dataset.Completeness(1), dataset.FreshWithin(time.Hour), dataset.References("a.b", "c"), dataset.Uniqueness(1)},
		"dataset_rule": {dataset.RowCountWithin(2, 3), dataset.Satisfies("a", "b"), dataset.CustomSQL("a", "b")},
	} {
		for i, rule := range rules {
			if got, want := members(t, rule), schema.Defs[name].OneOf[i].Required; !slices.Equal(got, want) {
				t.Errorf("rule %v: got %v, schema has %v", rule, got, want)
			}
		}
	}
}

// members lists the names of an object's members in the order written.
func members(tb testing.TB, v any) []string {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var names []string
	depth := 0
	for name := true; ; {
		tok, err := d.Token()
		if err != nil {
			return names
		}
		switch delim, _ := tok.(json.Delim); delim {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
			if depth == 1 {
				name = true
			}
			continue
		}
		if depth == 1 {
			if name {
				names = append(names, tok.(string))
			}
			name = !name
		}
	}
}

func TestParseManifestIsStrict(t *testing.T) {
	valid := string(manifest(t).Bytes())
	for name, tt := range map[string]struct{ old, new, want string }{
		"version":        {`{"schema_version":1`, `{"schema_version":2`, "schema_version is 2"},
		"no JSON":        {`{"schema_version":1`, `"schema_version":1`, "invalid character"},
		"unknown member": {`"lake":`, `"extra":1,"lake":`, `unknown field "extra"`},
		"missing member": {`"owner":"sales-data",`, ``, "not as the library writes it"},
		"null list":      {`"rules":[]`, `"rules":null`, "not as the library writes it"},
		"spaces":         {`"lake":`, `"lake": `, "not as the library writes it"},
		"load":           {`"load":"upsert"`, `"load":"merge"`, `load: got "merge"; allowed: append`},
		"generation":     {`"source":"Erp","generation":1`, `"source":"Erp"`, "not as the library writes it"},
		"table format":   {`"table_format":"delta"`, `"table_format":"orc"`, `table format: got "orc"; allowed: iceberg, delta, hudi`},
		"protection":     {`"protect":"drop"`, `"protect":"hide"`, `protect: got "hide"; allowed: none, hash, drop, null`},
		"mask":           {`"rest":"•"`, `"rest":"••"`, "protect: got {"},
		"key":            {`"key":"2027"`, `"name":"2027"`, `unknown field "name"`},
		"unit":           {`"unit":"quarter"`, `"unit":"week"`, "allowed: kind hash with key, tokenise with vault, mask with first, last and rest"},
		"mixed":          {`"kind":"prefix","length":3`, `"kind":"prefix","width":"1","length":3`, "not as the library writes it"},
		"parameter":      {`"kind":"prefix","length":3`, `"kind":"prefix","size":3`, `unknown field "size"`},
		"class":          {`"class":"public"`, `"class":"secret"`, "class: got"},
		"rule kind":      {`"kind":"set"`, `"kind":"enum"`, `got kind "enum"`},
		"rule member":    {`"kind":"set"`, `"kind":"set","min":"1"`, `unknown field "min"`},
		"gate member":    {`"min_rows":10`, `"min_rows":10,"max":1`, `unknown field "max"`},
		"text after":     {`}]}`, `}]} {}`, "after"},
	} {
		broken := strings.Replace(valid, tt.old, tt.new, 1)
		if tt.old == "}]}" {
			broken = valid + " {}"
		}
		if broken == valid {
			t.Fatalf("%s: nothing was broken", name)
		}
		if _, err := dataset.ParseManifest([]byte(broken)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestRouteTakesTheLongestPrefix(t *testing.T) {
	m := manifest(t)
	for key, want := range map[string]string{
		"files/sales/orders/a.csv": "sales.orders", "files/lab/events/x/b.csv": "lab.events", "files/lab/other.csv": "lab.kinds",
		"files/lab/eventsx.csv": "lab.kinds", "files/sales/ordersx": "", "": "", "files/sales/orders": "", "FILES/lab/x": "",
	} {
		if got, ok := m.Route(key); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", key, got, ok, want)
		}
	}
}

func TestLandingOfAGeneration(t *testing.T) {
	m := manifest(t)
	for key, want := range map[string]int{"erp/g1/public/parcels/LOAD00000001.parquet": 1, "erp/g2/public/parcels/x.parquet": 2} {
		if at, ok := m.LandingOf(key); !ok || at.Dataset != "sales.parcels" || at.Generation == nil || *at.Generation != want {
			t.Errorf("%s: got %+v, %v", key, at, ok)
		}
	}
	if at, ok := m.LandingOf("files/lab/events/x"); !ok || at.Generation != nil {
		t.Errorf("got %+v, %v", at, ok)
	}
	if at, ok := m.LandingOf("erp/g3/public/parcels/x"); ok {
		t.Errorf("got %+v", at)
	}
}

func TestLandingIsRejected(t *testing.T) {
	_, err := dataset.NewManifest("Commerce", []dataset.Spec{orders()}, []dataset.Landing{
		{Prefix: "a/", Dataset: "sales.orders", Source: "Files"}, {Prefix: "a/", Dataset: "sales.order", Source: "Files"},
		{Prefix: "a", Dataset: "sales.orders"}, {Prefix: "/", Dataset: "sales.orders", Source: "Files"},
	}, nil)
	wantProblems(t, err, "Lake: is not a valid name", "Landing[1].Dataset: is no declared dataset", "Landing[1].Prefix: is taken by Landing[0]",
		"Landing[2].Prefix: is no folder", "Landing[2].Source: is missing", "Landing[3].Prefix: is no folder")
}

func TestGenerationsAreRejected(t *testing.T) {
	one, two, none, beyond := 1, 2, 0, dataset.MaxGeneration+1
	parcels := replicated()
	parcels.Name = "parcels"
	_, err := dataset.NewManifest("lake", []dataset.Spec{replicated(), parcels, column(dataset.Column{Type: dataset.Int})}, []dataset.Landing{
		{Prefix: "g1/", Dataset: "sales.orders", Source: "Erp", Generation: &one},
		{Prefix: "g2/", Dataset: "sales.orders", Source: "Erp", Generation: &two},
		{Prefix: "again/", Dataset: "sales.orders", Source: "Erp", Generation: &two},
		{Prefix: "none/", Dataset: "sales.orders", Source: "Erp"},
		{Prefix: "zero/", Dataset: "sales.orders", Source: "Erp", Generation: &none},
		{Prefix: "beyond/", Dataset: "sales.orders", Source: "Erp", Generation: &beyond},
		{Prefix: "things/", Dataset: "sales.things", Source: "Files", Generation: &one},
	}, nil)
	wantProblems(t, err, "Datasets[0].Format: is missing: no source of changes", "Datasets[1]: nothing of it lands", "Datasets[1].Format: is missing",
		"Landing[2].Generation: is taken by Landing[1]", "Landing[3].Generation: is missing", "Landing[4].Generation: is no generation",
		"Landing[5].Generation: is no generation", "Landing[6].Generation: has no meaning for load kind append")
}

func TestTheNameOfAViewIsTaken(t *testing.T) {
	clash, elsewhere, upsert := orders(), orders(), orders()
	clash.Name, elsewhere.Name, elsewhere.Domain, upsert.Name = "orders_current", "orders_current", "lab", "things"
	wantProblems(t, dataset.ValidateAll([]dataset.Spec{replicated(), clash, elsewhere, upsert}), "[1].Name: is taken by the view of [0]")
}

func TestManifestDoesNotDependOnTheOrderOfDeclarations(t *testing.T) {
	r := random(t)
	want := manifest(t).Hash()
	for range 50 {
		specs, landing, models := everything(t)
		r.Shuffle(len(specs), func(i, j int) { specs[i], specs[j] = specs[j], specs[i] })
		r.Shuffle(len(landing), func(i, j int) { landing[i], landing[j] = landing[j], landing[i] })
		r.Shuffle(len(models), func(i, j int) { models[i], models[j] = models[j], models[i] })
		m, err := dataset.NewManifest("commerce", specs, landing, models)
		if err != nil {
			t.Fatal(err)
		}
		if m.Hash() != want {
			t.Fatal("another order gave another hash")
		}
	}
}

func TestManifestSharesNothingWithTheDeclaration(t *testing.T) {
	specs, landing, models := everything(t)
	m, err := dataset.NewManifest("commerce", specs, landing, models)
	if err != nil {
		t.Fatal(err)
	}
	before := m.Hash()
	specs[0].Keys[0], specs[0].Columns[0].Name, *specs[0].Gate.MaxQuarantinedShare, specs[0].Columns[0].Rules[0] = "x", "x", 1, dataset.AtLeast(9)
	landing[0].Prefix, models[0].Inputs[0], models[0].SQL = "x/", "x.x", "x"
	*landing[3].Generation = 7
	if m.Hash() != before {
		t.Error("the manifest changed with the declaration")
	}
}

func TestAthenaSQL(t *testing.T) {
	m := manifest(t)
	got, err := m.AthenaSQL(`SELECT '\', o.* FROM {{ ref("sales.orders") }} o JOIN {{ref('lab.days')}} d ON true -- done`)
	want := `SELECT '\', o.* FROM "commerce_sales_cleaned"."orders" o JOIN "commerce_lab_curated"."days" d ON true -- done`
	if err != nil || got != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	got, err = m.AthenaSQL(`SELECT * FROM {{ ref("sales.parcels") }}`)
	if want := `SELECT * FROM "commerce_sales_cleaned"."parcels_current"`; err != nil || got != want {
		t.Errorf("a CDC dataset: got %s, %v\nwant %s", got, err, want)
	}
	_, err = m.AthenaSQL(`SELECT {{ x }} FROM {{ ref("a.b") }}, {{ ref("c.d") }}`)
	if err == nil || !strings.Contains(err.Error(), "a.b, c.d") || !strings.Contains(err.Error(), "line 1: only") {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(m.Domains(), " "); got != "lab sales yard" {
		t.Errorf("domains: got %s", got)
	}
}
