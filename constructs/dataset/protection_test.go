package dataset_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

func TestProtections(t *testing.T) {
	mask := func(k dataset.Keep) dataset.Protection { return dataset.Mask(k) }
	whole := dataset.Decimal(9, 0)
	for _, tt := range []struct {
		typ     dataset.Type
		protect dataset.Protection
		want    string
	}{
		{dataset.Boolean, dataset.Null, ""},
		{dataset.Timestamp, dataset.Tokenise("customers"), ""},
		{dataset.String, dataset.Tokenise("a" + strings.Repeat("_", 30)), ""},
		{dataset.String, dataset.Tokenise("a" + strings.Repeat("_", 31)), "Protect: has no name for a vault; got Tokenise(\"a_"},
		{dataset.String, dataset.Tokenise("2027"), "Protect: has no name for a vault; got Tokenise(\"2027\"); allowed: a lower-case letter, then"},
		{dataset.String, dataset.Tokenise(""), "Protect: has no name for a vault; got Tokenise(\"\")"},
		{dataset.Date, dataset.HashUnder("2027"), ""},
		{dataset.Date, dataset.HashUnder("a" + strings.Repeat("_", 30)), ""},
		{dataset.Date, dataset.HashUnder("a" + strings.Repeat("_", 31)), "Protect: has no name for a key; got HashUnder(\"a_"},
		{dataset.Date, dataset.HashUnder(""), "Protect: has no name for a key; got HashUnder(\"\"); allowed: Hash, which is under"},
		{dataset.Date, dataset.HashUnder("Old"), "Protect: has no name for a key; got HashUnder(\"Old\")"},
		{dataset.String, mask(dataset.Keep{}), ""},
		{dataset.String, mask(dataset.Keep{First: 255, Last: 255, Rest: '▒'}), ""},
		{dataset.Bigint, mask(dataset.Keep{Last: 4}), "Protect: a mask replaces characters of text, but the column is of type bigint; got Mask(Keep{Last: 4})"},
		{dataset.String, mask(dataset.Keep{First: -1}), "Protect.First: is out of range; got -1"},
		{dataset.String, mask(dataset.Keep{Last: 256}), "Protect.Last: is out of range; got 256"},
		{dataset.String, mask(dataset.Keep{Rest: '\n'}), `Protect.Rest: cannot stand for a character; got "'\\n'"`},
		{dataset.String, mask(dataset.Keep{Rest: ' '}), "Protect.Rest: cannot stand for a character"},
		{dataset.String, mask(dataset.Keep{Rest: '\u0301'}), "Protect.Rest: cannot stand for a character"},
		{dataset.String, mask(dataset.Keep{Rest: 0xD800}), "Protect.Rest: cannot stand for a character"},
		{dataset.String, mask(dataset.Keep{Rest: -5}), "Protect.Rest: cannot stand for a character"},
		{dataset.String, dataset.Prefix(1), ""},
		{dataset.String, dataset.Prefix(0), "Protect: has a length that is out of range; got Prefix(0); allowed: 1 to 255 characters"},
		{dataset.String, dataset.Prefix(256), "Protect: has a length that is out of range"},
		{dataset.Date, dataset.Prefix(4), "Protect: a prefix is the start of text, but the column is of type date"},
		{dataset.Date, dataset.ToMonth, ""},
		{dataset.Timestamp, dataset.ToDay, ""},
		{dataset.Date, dataset.ToDay, "Protect: leaves every value as it is: a date is a day already; got ToDay; allowed: ToMonth"},
		{dataset.String, dataset.ToYear, "Protect: cuts dates and timestamps, but the column is of type string; got ToYear"},
		{dataset.Int, dataset.Bucket(10), ""},
		{dataset.Bigint, dataset.Bucket(int64(1 << 62)), ""},
		{dataset.Double, dataset.Bucket(1), ""},
		{dataset.Double, dataset.Bucket(0.5), "Protect: its width does not suit the type double; got \"0.5\"; allowed: a whole number of 32 bits"},
		{dataset.Decimal(9, 2), dataset.Bucket(0.05), ""},
		{dataset.Decimal(9, 2), dataset.Bucket("0.50"), ""},
		{dataset.Decimal(9, 2), dataset.Bucket(0.01), "Protect: leaves every value as it is: each is a bucket of its own; got Bucket(0.01)"},
		{dataset.Decimal(9, 2), dataset.Bucket(0.005), "Protect: its width does not suit the type decimal(9,2)"},
		{whole, dataset.Bucket(1), "Protect: leaves every value as it is"},
		{dataset.Int, dataset.Bucket(1), "Protect: leaves every value as it is"},
		{dataset.Int, dataset.Bucket(0), "Protect: has no width; got Bucket(0)"},
		{dataset.Int, dataset.Bucket(-10), "Protect: has no width; got Bucket(-10)"},
		{dataset.Int, dataset.Bucket(1 << 31), "Protect: its width does not suit the type int"},
		{dataset.Int, dataset.Bucket("ten"), "Protect: its width does not suit the type int"},
		{dataset.Int, dataset.Bucket("${Token[TOKEN.1]}"), "Protect: is known only at deployment"},
		{dataset.Decimal(37, 2), dataset.Bucket(10), ""},
		{dataset.Decimal(38, 2), dataset.Bucket(10), "Protect: is not exact for decimals of 38 digits"},
		{dataset.Timestamp, dataset.Bucket(10), "Protect: groups numbers, but the column is of type timestamp"},
		{"text", dataset.Bucket(10), "Type: is no type"},
	} {
		err := column(dataset.Column{Type: tt.typ, Class: dataset.Personal, Protect: tt.protect}).Validate()
		if tt.want == "" {
			wantProblems(t, err)
			continue
		}
		if got := strings.Split(strings.TrimSpace(errorText(err)), "\n  "); len(got) != 2 || !strings.HasPrefix(got[1], "Columns[1]."+tt.want) {
			t.Errorf("%s %v: got %q, want one problem %q", tt.typ, tt.protect, got, tt.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Every protection but None, the hashes and Tokenise makes different values one, or none at all.
var blurring = []dataset.Protection{
	dataset.Null, dataset.Mask(dataset.Keep{Last: 4}), dataset.Prefix(2), dataset.Bucket(10), dataset.ToDay, dataset.ToMonth, dataset.ToQuarter, dataset.ToYear,
}

func TestWhatTellsRowsApartIsNotBlurred(t *testing.T) {
	types := []dataset.Type{dataset.String, dataset.Bigint, dataset.Timestamp}
	for _, p := range blurring {
		accepted := slices.ContainsFunc(types, func(typ dataset.Type) bool {
			return column(dataset.Column{Type: typ, Protect: p}).Validate() == nil
		})
		if !accepted {
			t.Errorf("%v suits no type, so that it proves nothing here", p)
		}
		for _, typ := range types {
			if column(dataset.Column{Type: typ, Protect: p}).Validate() != nil {
				continue
			}
			key := orders()
			key.Columns[0].Type, key.Columns[0].Rules, key.Columns[0].Protect = typ, nil, p
			wantProblems(t, key.Validate(), "Keys[0]: a key column cannot be protected by "+p.String()+", under which different keys become one")
			if typ != dataset.String {
				sequence := orders()
				sequence.Columns[4].Type, sequence.Columns[4].Protect = typ, p
				wantProblems(t, sequence.Validate(), "Sequence: cannot order changes once its column is protected by "+p.String())
			}
			if typ == dataset.Timestamp {
				window := column(dataset.Column{Type: typ, Protect: p})
				window.Window = dataset.Window{Column: "value", Length: time.Hour}
				wantProblems(t, window.Validate(), "Window.Column: tells no time once its column is protected by "+p.String())
			}
			for _, rule := range []dataset.Rule{dataset.Uniqueness(0.5), dataset.References("sales.orders", "o_clerk")} {
				wantProblems(t, column(dataset.Column{Type: typ, Protect: p, Rules: dataset.Rules{rule}}).Validate(),
					"Columns[1].Rules[0]: judges the table, in which "+p.String()+" makes different values one")
			}
		}
	}
	for _, p := range []dataset.Protection{dataset.Hash, dataset.HashUnder("k"), dataset.Tokenise("v")} {
		hashed := orders()
		hashed.Columns[0].Protect = p
		wantProblems(t, hashed.Validate())
	}
	blind := dataset.Spec{Domain: "d", Name: "n", Load: dataset.Snapshot, Columns: []dataset.Column{{Name: "a", Type: dataset.String, Protect: dataset.Null}}}
	wantProblems(t, blind.Validate(), "Keys: is empty, and no column is stored by whose content rows could be told apart")
}

func TestProtectionsAreWrittenAndRead(t *testing.T) {
	for p, want := range map[dataset.Protection][2]string{
		dataset.None:                 {`"none"`, "none"},
		dataset.Hash:                 {`"hash"`, "hash"},
		dataset.HashUnder("2027"):    {`{"kind":"hash","key":"2027"}`, `HashUnder("2027")`},
		dataset.Tokenise("mail"):     {`{"kind":"tokenise","vault":"mail"}`, `Tokenise("mail")`},
		dataset.Drop:                 {`"drop"`, "drop"},
		dataset.Null:                 {`"null"`, "null"},
		dataset.Mask(dataset.Keep{}): {`{"kind":"mask","first":0,"last":0,"rest":"*"}`, "Mask(Keep{})"},
		dataset.Mask(dataset.Keep{First: 1, Last: 2, Rest: '<'}): {`{"kind":"mask","first":1,"last":2,"rest":"<"}`, "Mask(Keep{First: 1, Last: 2, Rest: '<'})"},
		dataset.Bucket(0.25): {`{"kind":"bucket","width":"0.25"}`, "Bucket(0.25)"},
		dataset.Prefix(3):    {`{"kind":"prefix","length":3}`, "Prefix(3)"},
		dataset.ToDay:        {`{"kind":"truncate","unit":"day"}`, "ToDay"},
		dataset.ToQuarter:    {`{"kind":"truncate","unit":"quarter"}`, "ToQuarter"},
	} {
		var read dataset.Protection
		text, err := p.MarshalJSON()
		if err != nil || string(text) != want[0] || p.String() != want[1] {
			t.Errorf("%v: got %s, %v, want %s", p, text, err, want)
		}
		if err := json.Unmarshal(text, &read); err != nil || read != p {
			t.Errorf("%s: read %v, %v", text, read, err)
		}
	}
}
