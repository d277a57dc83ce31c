package catalog

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/lambda/contract"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		give interface{ Validate() error }
		want []string
	}{
		{"nil ledger", (*LedgerProps)(nil), nil},
		{"nothing of a database", (*DatabaseProps)(nil), []string{"Name: is no database name", "Prefix: is no folder", "Zone: is missing"}},
		{"every problem of a database", &DatabaseProps{Name: "Sales-cleaned", Doc: strings.Repeat("x", 2049), Prefix: "sales"}, []string{
			"Doc: is too long; got 2049; allowed: at most 2048 characters", `Name: is no database name; got "Sales-cleaned"; allowed: ^[a-z]`,
			`Prefix: is no folder; got "sales"`, "Zone: is missing; allowed: the zone the tables lie in",
		}},
		{"leading slash", &DatabaseProps{Name: "${Token[TOKEN.1]}", Prefix: "/sales/"}, []string{`Prefix: is no folder; got "/sales/"`, "Zone: is missing"}},
		{"nothing of operations", (*OperationsProps)(nil), []string{"Artifacts: is missing", "Name: is no database name"}},
		{"import of nothing", LedgerAttributes{}, []string{"KeyArn: is missing", "TableName: is missing"}},
	}
	for _, tt := range tests {
		err := tt.give.Validate()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want %q in %v", tt.name, want, err)
			}
		}
		if err != nil && strings.Count(err.Error(), "\n") != len(tt.want) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
		}
	}
}

// TestBatchColumns holds the table to the record that the functions mirror.
func TestBatchColumns(t *testing.T) {
	kinds := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "int", reflect.Int64: "bigint"}
	mirror := reflect.TypeFor[contract.Mirror]()
	var want, got []string
	for i := range mirror.NumField() {
		f := mirror.Field(i)
		want = append(want, f.Tag.Get("json")+" "+kinds[f.Type.Kind()])
	}
	for _, c := range batchColumns {
		got = append(got, c.name+" "+c.kind)
	}
	if !slices.Equal(got, want) {
		t.Errorf("want the fields of contract.Mirror\n%q\ngot\n%q", want, got)
	}
}

func TestLedgerRolesNameTheirActions(t *testing.T) {
	for role, access := range ledgerAccesses {
		for _, a := range append(slices.Clone(access.table), access.index...) {
			if !strings.HasPrefix(a, "dynamodb:") || strings.ContainsAny(a, "*?") {
				t.Errorf("%s: %s", role, a)
			}
		}
	}
}
