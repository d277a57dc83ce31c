package dataset_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

// suppliers is a valid snapshot.
func suppliers() dataset.Spec {
	return dataset.Spec{
		Domain: "supply", Name: "suppliers", Load: dataset.Snapshot, Keys: []string{"id"}, Deliveries: dataset.Deliveries{Stamp: time.DateOnly},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, {Name: "name", Type: dataset.String}},
	}
}

func TestSnapshotsAreAccepted(t *testing.T) {
	for _, stamp := range []string{"", time.DateOnly, "20060102T150405", "year=2006/month=01/day=02", "02.01.2006", "2006", "20060102 15h04"} {
		s := suppliers()
		s.Deliveries.Stamp = stamp
		if err := s.Validate(); err != nil {
			t.Errorf("%q: %v", stamp, err)
		}
	}
}

func TestSnapshotIsRejected(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*dataset.Spec)
		want   []string
	}{
		"sequence":     {func(s *dataset.Spec) { s.Sequence = "name" }, []string{"Sequence: has no meaning for a snapshot", "Sequence: cannot order changes"}},
		"unique key":   {func(s *dataset.Spec) { s.Rules = dataset.Rules{dataset.UniqueKey()} }, []string{"Rules[0]: is said already"}},
		"changes":      {func(s *dataset.Spec) { s.Format = dataset.DMS{} }, []string{"Format: holds changes of a database"}},
		"share":        {func(s *dataset.Spec) { s.Gate.MaxDeletedShare = dataset.Share(1.1) }, []string{"Gate.MaxDeletedShare: is not a share"}},
		"no year":      {func(s *dataset.Spec) { s.Deliveries.Stamp = "01-02" }, []string{"Deliveries.Stamp: is no layout of a time"}},
		"gap":          {func(s *dataset.Spec) { s.Deliveries.Stamp = "2006-02" }, []string{"Deliveries.Stamp: is no layout of a time"}},
		"twice":        {func(s *dataset.Spec) { s.Deliveries.Stamp = "2006/2006-01" }, []string{"Deliveries.Stamp: is no layout of a time"}},
		"digits":       {func(s *dataset.Spec) { s.Deliveries.Stamp = "v2-2006" }, []string{"Deliveries.Stamp: is no layout of a time"}},
		"a pattern":    {func(s *dataset.Spec) { s.Deliveries.Stamp = "yyyy-MM-dd" }, []string{"Deliveries.Stamp: is no layout of a time"}},
		"token":        {func(s *dataset.Spec) { s.Deliveries.Stamp = "${Token[TOKEN.7]}" }, []string{"Deliveries.Stamp: is known only at deployment"}},
		"of an append": {func(s *dataset.Spec) { s.Load = dataset.Append }, []string{"Deliveries: has no meaning for load kind append"}},
		"gate of append": {func(s *dataset.Spec) {
			*s = column(dataset.Column{Type: dataset.Int})
			s.Gate.MaxDeletedShare = dataset.Share(0)
		}, []string{"Gate.MaxDeletedShare: has no meaning"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := suppliers()
			tt.change(&s)
			wantProblems(t, s.Validate(), tt.want...)
		})
	}
}

// TestStamps holds what jobs read from keys as well.
func TestStamps(t *testing.T) {
	var cases []struct{ Layout, Expression, Key, Stamp string }
	text, err := os.ReadFile("testdata/stamps.golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		s := suppliers()
		s.Deliveries.Stamp = c.Layout
		m, err := dataset.NewManifest("l", []dataset.Spec{s}, []dataset.Landing{{Prefix: "in/", Dataset: s.ID(), Source: "In"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		d := m.Datasets[0].Delivery
		if *d.Stamp != c.Expression {
			t.Errorf("%s: expression %s, the golden file has %s", c.Layout, *d.Stamp, c.Expression)
		}
		if got, ok := d.StampOf(c.Key); got != c.Stamp || ok != (c.Stamp != "") {
			t.Errorf("%s in %s: got %q, %v", c.Layout, c.Key, got, ok)
		}
	}
	if got, ok := (&dataset.Delivery{}).StampOf("any"); got != "" || !ok {
		t.Errorf("without a stamp: got %q, %v", got, ok)
	}
}
