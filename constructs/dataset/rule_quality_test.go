package dataset_test

import (
	"math"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

func TestQualityRulesOfColumns(t *testing.T) {
	atLeast := dataset.AtLeast(1)
	for _, tt := range []struct {
		typ     dataset.Type
		protect dataset.Protection
		rule    dataset.Rule
		want    string // empty when it is accepted
	}{
		{dataset.Boolean, dataset.None, dataset.Completeness(0.98), ""},
		{dataset.String, dataset.Drop, dataset.Completeness(1).Warn(), ""},
		{dataset.String, dataset.None, dataset.Completeness(0), "has no share"},
		{dataset.String, dataset.None, dataset.Completeness(1.5), "has no share"},
		{dataset.String, dataset.None, dataset.Completeness(math.NaN()), "has no share"},
		{dataset.String, dataset.None, dataset.Completeness(0.5).Quarantine(), "judges a batch, of which no single row is to blame"},
		{dataset.Int, dataset.None, atLeast.Block(), ""},
		{dataset.Int, dataset.Hash, atLeast.Mostly(0.9).Warn(), ""},
		{dataset.Int, dataset.None, atLeast.Mostly(0.9), "quarantines each row that breaks it, whatever the share"},
		{dataset.Int, dataset.None, atLeast.Mostly(1).Block(), "has a share of 1"},
		{dataset.Int, dataset.None, atLeast.Mostly(-1).Block(), "has no share"},
		{dataset.Timestamp, dataset.None, dataset.FreshWithin(time.Minute), ""},
		{dataset.Date, dataset.None, dataset.FreshWithin(36 * time.Hour).Warn(), ""},
		{dataset.Int, dataset.None, dataset.FreshWithin(time.Hour), "freshness is told by a date or timestamp, but the column is of type int"},
		{dataset.Date, dataset.Hash, dataset.FreshWithin(time.Hour), "freshness cannot be told of a protected column"},
		{dataset.Date, dataset.None, dataset.FreshWithin(59 * time.Second), "is no age to judge freshness by"},
		{dataset.Date, dataset.None, dataset.FreshWithin(time.Hour + time.Millisecond), "is no age to judge freshness by"},
		{dataset.Date, dataset.None, dataset.FreshWithin(time.Hour).Quarantine(), "judges a batch"},
		{dataset.Date, dataset.None, dataset.FreshWithin(time.Hour).Mostly(0.5), "does not judge rows"},
		{dataset.Int, dataset.Hash, dataset.Uniqueness(0.5), ""},
		{dataset.Int, dataset.None, dataset.Uniqueness(1).Quarantine(), "judges a batch"},
		{dataset.Int, dataset.None, dataset.Uniqueness(2), "has no share"},
		{dataset.Int, dataset.Drop, dataset.Uniqueness(1), "judges the table, which does not have the column"},
		{dataset.Int, dataset.None, dataset.References("sales.orders", "id").Mostly(0.5).Warn(), ""},
		{dataset.Int, dataset.Drop, dataset.References("sales.orders", "id"), "judges the table, which does not have the column"},
		{dataset.Int, dataset.None, dataset.CustomSQL("a", "b"), "judges a whole dataset, not a column"},
		{dataset.Int, dataset.None, dataset.RowCountWithin(2, 3), "judges a whole dataset, not a column"},
		{dataset.Int, dataset.None, dataset.Satisfies("a", "b"), "judges a whole dataset, not a column"},
	} {
		err := column(dataset.Column{Type: tt.typ, Protect: tt.protect, Rules: dataset.Rules{tt.rule}}).Validate()
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s %v: %v", tt.typ, tt.rule, err)
			}
			continue
		}
		wantProblems(t, err, "Columns[1].Rules[0]: "+tt.want)
	}
}

func TestTwoPoliciesMayDrawTwoLines(t *testing.T) {
	rules := dataset.Rules{dataset.Between(0, 10), dataset.Between(20, 30).Warn()}
	if err := column(dataset.Column{Type: dataset.Int, Rules: rules}).Validate(); err != nil {
		t.Error(err)
	}
	rules = dataset.Rules{dataset.Between(2, 1).Warn()}
	wantProblems(t, column(dataset.Column{Type: dataset.Int, Rules: rules}).Validate(), "Columns[1].Rules[0]: no value satisfies it")
}

func TestQualityRulesOfDatasets(t *testing.T) {
	for _, tt := range []struct {
		rule dataset.Rule
		want []string
	}{
		{dataset.RowCountWithin(1.5, 1), nil},
		{dataset.RowCountWithin(2, 100).Warn(), nil},
		{dataset.RowCountWithin(1, 0), []string{"Rules[0]: has a factor that tells nothing", "Rules[0]: compares with a number of batches that is out of range"}},
		{dataset.RowCountWithin(math.Inf(1), 101), []string{"Rules[0]: has a factor", "Rules[0]: compares with"}},
		{dataset.RowCountWithin(2, 3).Quarantine(), []string{"Rules[0]: judges a batch"}},
		{dataset.UniqueKey().Quarantine(), nil},
		{dataset.UniqueKey().Block(), []string{"Rules[0]: has another outcome than to quarantine records"}},
		{dataset.UniqueKey().Mostly(0.5), []string{"Rules[0]: has another outcome than to quarantine records"}},
		{dataset.Satisfies("totals", "net + vat = total"), nil},
		{dataset.Satisfies("trimmed", "trim(BOTH ' ' FROM a) IS DISTINCT FROM extract(year FROM b)").Mostly(0.5).Warn(), nil},
		{dataset.Satisfies("shipped", `"CURRENT_DATE; select" <> a`), nil},
		{dataset.CustomSQL("no_gap", "SELECT max(day) - min(day) < 2 FROM {{ batch }}"), nil},
		{dataset.CustomSQL("both", "WITH t AS (SELECT * FROM {{table}}) SELECT count(*) FROM t JOIN {{ batch }} b ON true").Warn(), nil},
		{dataset.CustomSQL("a", "SELECT 1"), []string{"Rules[0].Query: names no input, so it says nothing of the batch"}},
		{dataset.CustomSQL("a", ""), []string{"Rules[0].Query: the file holds no query"}},
		{dataset.CustomSQL("a", "SELECT 1 FROM {{ batch }}; SELECT 2"), []string{"Rules[0].Query: line 1: a second statement"}},
		{dataset.CustomSQL("a", "SELECT 1 FROM orders"), []string{"Rules[0].Query: line 1: table orders is not named by a reference"}},
		{dataset.CustomSQL("a", `SELECT 1 FROM {{ ref("a.b") }}`), []string{"Rules[0].Query: names a.b, which is no input of a rule"}},
		{dataset.CustomSQL("a", "SELECT now() > max(day) FROM {{ batch }}"), []string{"Rules[0].Query: line 1: now() gives another result"}},
		{dataset.CustomSQL("a", "SELECT 1 FROM {{ batch }}").Quarantine(), []string{"Rules[0]: judges a batch"}},
		{dataset.Satisfies("Totals", ""), []string{"Rules[0].Condition: is missing", "Rules[0].Name: is not a valid name"}},
		{dataset.Satisfies("a", "b > 1; drop"), []string{"Rules[0].Condition: holds a semicolon"}},
		{dataset.Satisfies("a", "(b > 1"), []string{"Rules[0].Condition: leaves a parenthesis open"}},
		{dataset.Satisfies("a", "b) > (1"), []string{"Rules[0].Condition: closes a parenthesis that is not open"}},
		{dataset.Satisfies("a", "b > 'x"), []string{"Rules[0].Condition: line 1: a ' has no end"}},
		{dataset.Satisfies("a", "sum(b) > 1"), []string{"Rules[0].Condition: holds sum, which looks beyond one row"}},
		{dataset.Satisfies("a", "b IN (SELECT c FROM d)"), []string{"Rules[0].Condition: holds select, which looks beyond one row"}},
		{dataset.Satisfies("a", `b > (1 + {{ ref("c.d") }})`), []string{"Rules[0].Condition: refers to c.d"}},
		{dataset.Satisfies("a", "day <= current_date"), []string{"Rules[0].Condition: holds current_date, which gives another result on another day or run"}},
		{dataset.Satisfies("a", "${Token[X.1]}"), []string{"Rules[0].Condition: is known only at deployment"}},
	} {
		s := orders()
		s.Rules = dataset.Rules{tt.rule}
		wantProblems(t, s.Validate(), tt.want...)
	}
	s := orders()
	s.Rules = dataset.Rules{dataset.Satisfies("a", "b"), dataset.UniqueKey(), dataset.Satisfies("a", "c")}
	wantProblems(t, s.Validate(), "Rules[2]: has the name of Rules[0]")
}

func TestRulesAreWrittenAsDeclared(t *testing.T) {
	for want, rule := range map[string]dataset.Rule{
		"Completeness(0.98)":                         dataset.Completeness(0.98).Block(),
		"Completeness(1).Warn()":                     dataset.Completeness(1).Warn(),
		"FreshWithin(1h0m0s)":                        dataset.FreshWithin(time.Hour),
		"RowCountWithin(2, 7).Warn()":                dataset.RowCountWithin(2, 7).Warn(),
		`Satisfies("a", "b > 1").Mostly(0.9).Warn()`: dataset.Satisfies("a", "b > 1").Warn().Mostly(0.9),
		"AtLeast(1).Block()":                         dataset.AtLeast(1).Block(),
		"AtLeast(1)":                                 dataset.AtLeast(1).Quarantine(),
	} {
		if got := rule.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestReferencesLeadSomewhere(t *testing.T) {
	referring := func(rules ...dataset.Rule) dataset.Spec {
		s := orders()
		s.Name = "lines"
		s.Columns[0].Rules = append(dataset.Rules{}, rules...)
		return s
	}
	if err := dataset.ValidateAll([]dataset.Spec{orders(), referring(dataset.References("sales.orders", "o_orderkey"))}); err != nil {
		t.Error(err)
	}
	wantProblems(t, dataset.ValidateAll([]dataset.Spec{orders(), referring(dataset.References("sales.lines", "o_orderkey"), dataset.References("sales.order", "o_orderkey"),
		dataset.References("sales.orders", "key"), dataset.References("sales.orders", "o_orderdate"), dataset.References("orders", "Key"))}),
		"[1].Columns[0].Rules[0].Dataset: is the dataset itself", "[1].Columns[0].Rules[1].Dataset: is no declared dataset",
		"[1].Columns[0].Rules[2].Column: is no column of sales.orders", "[1].Columns[0].Rules[3].Column: is of type date, but o_orderkey is of type bigint",
		"[1].Columns[0].Rules[4].Column: is not a valid name", "[1].Columns[0].Rules[4].Dataset: is no dataset's id", "[1].Columns[0].Rules[4].Dataset: is no declared dataset")
	hashed := orders()
	hashed.Columns[0].Protect = dataset.Hash
	wantProblems(t, dataset.ValidateAll([]dataset.Spec{hashed, referring(dataset.References("sales.orders", "o_orderkey"))}),
		"[1].Columns[0].Rules[0].Column: is protected by hash, but o_orderkey by none")
	changing := replicated()
	changing.Name = "lines"
	changing.Columns[0].Rules = dataset.Rules{dataset.References("sales.orders", "o_orderkey")}
	wantProblems(t, dataset.ValidateAll([]dataset.Spec{orders(), changing}), "[1].Columns[0].Rules[0]: cannot set a change aside")
}
