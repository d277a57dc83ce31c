package dataset_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
)

// orders is a valid declaration that uses most of what there is.
func orders() dataset.Spec {
	return dataset.Spec{
		Domain: "sales", Name: "orders", Owner: "sales-data", Doc: "One row per customer order.",
		Load: dataset.Upsert, Keys: []string{"o_orderkey"}, Sequence: "change_seq",
		Columns: []dataset.Column{
			{Name: "o_orderkey", Type: dataset.Bigint, Rules: dataset.Rules{dataset.AtLeast(1)}},
			{Name: "o_totalprice", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.Between(0, 999999.99)}},
			{Name: "o_clerk", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Hash},
			{Name: "o_orderdate", Type: dataset.Date, Required: true},
			{Name: "change_seq", Type: dataset.Bigint},
		},
		Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.05)},
		Freshness: 15 * time.Minute,
	}
}

// replicated is a valid CDC dataset, before a source has completed it.
func replicated() dataset.Spec {
	s := orders()
	s.Load, s.Sequence, s.Columns = dataset.CDC, "", s.Columns[:4]
	return s
}

// completed is what a source makes of CDC datasets: their format, and a landing for each.
func completed(specs ...dataset.Spec) ([]dataset.Spec, []dataset.Landing) {
	var landing []dataset.Landing
	for i, s := range specs {
		if s.Load != dataset.CDC {
			continue
		}
		if s.Format == nil {
			specs[i].Format = dataset.DMS{}
		}
		generation := 1
		landing = append(landing, dataset.Landing{Prefix: "erp/g1/public/" + s.Name + "/", Dataset: s.ID(), Source: "Erp", Generation: &generation})
	}
	return specs, landing
}

// column is a valid append with one column to judge.
func column(c dataset.Column) dataset.Spec {
	if c.Name == "" {
		c.Name = "value"
	}
	return dataset.Spec{
		Domain: "sales", Name: "things", Keys: []string{"id"},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, c},
	}
}

// problems lists what an error holds as "path: text".
func problems(tb testing.TB, err error) []string {
	tb.Helper()
	if err == nil {
		return nil
	}
	var e *check.Error
	if !errors.As(err, &e) {
		tb.Fatalf("want a *check.Error, got %T: %v", err, err)
	}
	var out []string
	for _, p := range e.Problems {
		out = append(out, p.Path+": "+p.Text)
	}
	return out
}

// wantProblems compares problems with prefixes of what is wanted, one by one.
func wantProblems(tb testing.TB, err error, want ...string) {
	tb.Helper()
	got := problems(tb, err)
	ok := len(got) == len(want)
	for i := range got {
		ok = ok && strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		tb.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
