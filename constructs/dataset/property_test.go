package dataset_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

// random gives a source of random values and prints its seed.
func random(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := uint64(time.Now().UnixNano())
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomSpec is often valid, and often not, in one of many ways.
func randomSpec(r *rand.Rand) dataset.Spec {
	s := dataset.Spec{
		Domain: rarely(r, "Lab", "sales", "lab"), Name: rarely(r, "", "orders", "items"),
		Owner: rarely(r, "a\nb", "", "team <x>"), Doc: pick(r, "", "Zeilen & mehr\n\u2028"),
		Load:       rarely(r, dataset.Files, dataset.Append, dataset.Upsert, dataset.Snapshot, dataset.CDC),
		Keys:       slices.Clone(rarely(r, []string{"a", "a"}, []string{"a"}, []string{"a", "c"}, nil)),
		Format:     rarely[dataset.Format](r, dataset.CSV{Delimiter: "ab"}, nil, dataset.CSV{}, dataset.CSV{Delimiter: "|", NullValue: "-"}, dataset.Parquet{}, dataset.JSON{}),
		Freshness:  rarely(r, time.Second, 0, time.Hour, time.Minute),
		Deliveries: dataset.Deliveries{Stamp: rarely(r, "2006-01-02", "")},
		Gate:       dataset.Gate{MinRows: rarely(r, -1, 0, 1), MaxQuarantinedShare: rarely(r, dataset.Share(2), nil, dataset.Share(0), dataset.Share(0.3))},
	}
	if s.Load == dataset.Upsert {
		s.Sequence = rarely(r, "zz", "b")
	}
	if s.Load == dataset.CDC {
		s.Format = rarely[dataset.Format](r, dataset.JSON{}, nil, dataset.DMS{}, dataset.DMS{Transactions: true})
	}
	if r.IntN(2) == 0 && s.Load != dataset.CDC || r.IntN(30) == 0 {
		s.Rules = dataset.Rules{dataset.UniqueKey()}
	}
	s.Columns = []dataset.Column{
		{Name: "a", Type: rarely(r, dataset.Double, dataset.String, dataset.Bigint)},
		{Name: "b", Type: rarely(r, dataset.Date, dataset.Bigint, dataset.Timestamp), Protect: rarely(r, dataset.Hash, dataset.None)},
		{Name: "c", Type: rarely(r, dataset.Type("x"), dataset.String, dataset.Date, dataset.Decimal(5, 2)), Protect: rarely(r, dataset.Drop, dataset.None, dataset.Hash)},
		{Name: rarely(r, "_d", "d", "op"), Type: dataset.String, Doc: pick(r, "", "ü"), Protect: rarely(r, dataset.Bucket(10), dataset.Mask(dataset.Keep{First: r.IntN(9), Last: 2, Rest: pick(r, 'x', '∎', '<')}), dataset.Prefix(1+r.IntN(9)), dataset.Null), Class: rarely(r, dataset.Personal, dataset.Internal, dataset.Public)},
		{Name: rarely(r, "a", "e"), Type: dataset.Double, Class: dataset.Personal, Protect: rarely(r, dataset.None, dataset.Hash, dataset.Drop, dataset.Bucket(1+r.IntN(9)), dataset.Null)},
	}
	s.Columns = s.Columns[:3+r.IntN(3)]
	rules := map[dataset.Type][]dataset.Rule{
		dataset.String: {dataset.OneOf("1", "<2>"), dataset.Pattern("^a&+$")}, dataset.Bigint: {dataset.AtLeast(1), dataset.OneOf(4, 2)},
		dataset.Date: {dataset.Between("2020-01-01", "2021-01-01")}, dataset.Decimal(5, 2): {dataset.AtMost(0.25)},
		dataset.Double: {dataset.AtLeast(-1.5)}, dataset.Timestamp: {dataset.AtMost("2020-01-01T00:00:00")}, "x": {dataset.AtLeast(1)},
	}
	for i := range s.Columns {
		c := &s.Columns[i]
		c.Required = r.IntN(2) == 0
		for range r.IntN(3) {
			c.Rules = append(c.Rules, rarely(r, pick(r, dataset.Pattern(`\b`), dataset.OneOf[int](), dataset.UniqueKey()), rules[c.Type]...))
		}
	}
	return s
}

// rarely is the first value one time in thirty, else one of the others.
func rarely[T any](r *rand.Rand, bad T, good ...T) T {
	if r.IntN(30) == 0 {
		return bad
	}
	return pick(r, good...)
}

// What Validate accepts becomes a manifest that is read back to the same bytes; what it refuses is refused there too, for
// the same reasons.
func TestManifestHoldsWhatValidateAccepts(t *testing.T) {
	r := random(t)
	accepted := 0
	for range 5000 {
		s := randomSpec(r)
		invalid := s.Validate()
		specs, landing := completed(s)
		m, err := dataset.NewManifest("lake", specs, landing, nil)
		if invalid != nil {
			want := problems(t, invalid)
			got := problems(t, err)
			for i := range want {
				want[i] = "Datasets[0]." + want[i]
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v\nValidate %v\nNewManifest %v", s, want, got)
			}
			continue
		}
		accepted++
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		read, err := dataset.ParseManifest(m.Bytes())
		if err != nil || read.Hash() != m.Hash() {
			t.Fatalf("%+v\n%s\n%v", s, m.Bytes(), err)
		}
	}
	t.Logf("%d of 5000 were valid", accepted)
	if accepted < 500 {
		t.Errorf("only %d declarations were valid: the property was hardly tested", accepted)
	}
}

// Faults in different fields never hide one another.
func TestEveryPlantedFaultIsFound(t *testing.T) {
	faults := map[string]func(*dataset.Spec){
		"Domain: is not a valid name":                        func(s *dataset.Spec) { s.Domain = "S" },
		"Name: is missing":                                   func(s *dataset.Spec) { s.Name = "" },
		"Owner: has a line break":                            func(s *dataset.Spec) { s.Owner = "\n" },
		"Load: is not built yet":                             func(s *dataset.Spec) { s.Load = dataset.Files },
		"Keys[1]: is no declared column":                     func(s *dataset.Spec) { s.Keys = append(s.Keys, "zz") },
		"Sequence: is no declared column":                    func(s *dataset.Spec) { s.Sequence = "zz" },
		"Rules[0]: is no rule for a whole dataset":           func(s *dataset.Spec) { s.Rules = dataset.Rules{dataset.Pattern("a")} },
		"Columns[0].Rules[1]: a set cannot judge":            func(s *dataset.Spec) { s.Columns[0].Rules = append(s.Columns[0].Rules, dataset.OneOf("a")) },
		"Columns[1].Rules[0]: no value satisfies it":         func(s *dataset.Spec) { s.Columns[1].Rules = dataset.Rules{dataset.Between(2, 1)} },
		"Columns[2].Protect: is missing":                     func(s *dataset.Spec) { s.Columns[2].Protect = dataset.None },
		"Columns[3].Type: is no type":                        func(s *dataset.Spec) { s.Columns[3].Type = "text" },
		"Columns[5].Name: is taken by Columns[2]":            func(s *dataset.Spec) { s.Columns[5].Name = "o_clerk" },
		"Format.Delimiter: cannot separate fields":           func(s *dataset.Spec) { s.Format = dataset.CSV{Delimiter: "ab"} },
		"Gate.MaxQuarantinedShare: is not a share":           func(s *dataset.Spec) { s.Gate.MaxQuarantinedShare = dataset.Share(-1) },
		"Gate.MinRows: is negative":                          func(s *dataset.Spec) { s.Gate.MinRows = -5 },
		"Freshness: is not a duration the lake can watch":    func(s *dataset.Spec) { s.Freshness = 1 },
		"Columns[6].Rules[0]: is an empty pattern":           func(s *dataset.Spec) { s.Columns[6].Rules = dataset.Rules{dataset.Pattern("")} },
		"Columns[6].Class: is no class":                      func(s *dataset.Spec) { s.Columns[6].Class = 7 },
		"Columns[6].Doc: is too long":                        func(s *dataset.Spec) { s.Columns[6].Doc = strings.Repeat("d", 256) },
		"Columns[7].Rules[0]: judges a whole dataset":        func(s *dataset.Spec) { s.Columns[7].Rules = dataset.Rules{dataset.UniqueKey()} },
		"Columns[7].Name: names that start with _ are the l": func(s *dataset.Spec) { s.Columns[7].Name = "_x" },
	}
	texts := make([]string, 0, len(faults))
	for text := range faults {
		texts = append(texts, text)
	}
	r := random(t)
	for range 2000 {
		s := orders()
		s.Columns[0].Type, s.Columns[0].Rules = dataset.Double, dataset.Rules{dataset.AtLeast(1)}
		s.Keys = []string{"o_orderdate"}
		for _, name := range []string{"spare", "note", "last"} {
			s.Columns = append(s.Columns, dataset.Column{Name: name, Type: dataset.String})
		}
		slices.Sort(texts)
		r.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		want := slices.Clone(texts[:1+r.IntN(len(texts))])
		for _, text := range want {
			faults[text](&s)
		}
		got := problems(t, s.Validate())
		for _, text := range want {
			if !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, text) }) {
				t.Fatalf("planted %q, found only\n  %s", text, strings.Join(got, "\n  "))
			}
		}
		if len(got) != len(want) {
			t.Fatalf("planted %d faults, found %d:\n  %s", len(want), len(got), strings.Join(got, "\n  "))
		}
	}
}

// No text, however broken, makes the readers of patterns and SQL panic.
func TestReadersSurviveAnyText(t *testing.T) {
	r := random(t)
	pieces := strings.Fields(`\ [ ] ( ) { } ? : * + ^ $ . | - & && a 0 , \p{ L} \x{ 1F \Q \E \d ' " -- /* */ {{ }} ref( "a.b" ) ; select from join , as with é ` + "\xff \x00")
	for range 20000 {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(pick(r, pieces...))
			b.WriteString(pick(r, "", "", " ", "\n"))
		}
		_ = column(dataset.Column{Type: dataset.String, Rules: dataset.Rules{dataset.Pattern(b.String())}}).Validate()
		_, _ = dataset.Models(tree(map[string]string{"m/a.sql": b.String()}))
		_, _ = (&dataset.Manifest{}).AthenaSQL(b.String())
	}
}
