package consumption

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/strata-cdk/strata/constructs/dataset"
)

var manifest = &dataset.Manifest{
	Datasets: []dataset.Entry{{ID: "sales.orders", Domain: "sales", Name: "orders", CleanedDatabase: "commerce_sales_cleaned"}},
	Models:   []dataset.Model{{ID: "sales.revenue", Domain: "sales", Name: "revenue", Database: "commerce_sales_curated"}},
}

func files(contents map[string]string) fstest.MapFS {
	tree := fstest.MapFS{}
	for name, text := range contents {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

func TestQueries(t *testing.T) {
	p := &WorkgroupProps{Manifest: manifest, Queries: files(map[string]string{
		"sales/top.sql": "-- The largest\n-- orders.\n\nSELECT * FROM {{ ref(\"sales.orders\") }} -- newest\n  JOIN {{ ref('sales.revenue') }} USING (id);\n",
		"plain.sql":     "SELECT 1",
		"notes.txt":     "not a query",
	})}
	got, err := p.queries()
	if err != nil {
		t.Fatal(err)
	}
	want := []query{
		{name: "plain", sql: "SELECT 1", database: "default"},
		{name: "top", doc: "The largest orders.", database: "default",
			sql: "SELECT * FROM \"commerce_sales_cleaned\".\"orders\" -- newest\n  JOIN \"commerce_sales_curated\".\"revenue\" USING (id)"},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("want %+v\ngot  %+v", want, got)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		give *WorkgroupProps
		want []string
	}{
		{"nothing", nil, []string{"Artifacts: is missing", "Name: is no workgroup name"}},
		{"every problem", &WorkgroupProps{Name: "a b", Doc: strings.Repeat("x", 1025), ScanLimit: 9_999_999, Manifest: manifest,
			Queries: files(map[string]string{
				"a/twice.sql":    "SELECT 1",
				"b/twice.sql":    "SELECT 2",
				"Bad-Name.sql":   "SELECT 1",
				"empty.sql":      "-- only words\n;",
				"unknown.sql":    `SELECT * FROM {{ ref("sales.order") }}`,
				"long.sql":       "SELECT '" + strings.Repeat("x", 262_144) + "'",
				"wordy.sql":      "-- " + strings.Repeat("x", 1025) + "\nSELECT 1",
				"template.sql":   "SELECT {% now %}",
				"sub/fine.sql":   "SELECT 1",
				"sub/ignored.md": "",
			})}, []string{
			"Artifacts: is missing; allowed: the artifacts bucket",
			"Doc: is too long; got 1025; allowed: at most 1024",
			`Name: is no workgroup name; got "a b"`,
			`Queries["Bad-Name.sql"].name: is no query name; got "Bad-Name"`,
			`Queries["b/twice.sql"]: the name is taken by a/twice.sql; got "twice"`,
			`Queries["empty.sql"].query: is empty; allowed: one statement`,
			`Queries["long.sql"].query: is too long; got 262153; allowed: at most 262144 bytes`,
			`Queries["template.sql"].query: `,
			`Queries["unknown.sql"].query: no dataset or model has the id sales.order`,
			`Queries["wordy.sql"].comment: is too long for a description; got 1025`,
			"ScanLimit: is too small; got 9999999; allowed: at least 10000000 bytes",
		}},
	}
	for _, tt := range tests {
		err := tt.give.Validate()
		if err == nil {
			t.Errorf("%s: want %d problems", tt.name, len(tt.want))
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), "\n  "+want) {
				t.Errorf("%s: want %q in %v", tt.name, want, err)
			}
		}
		if strings.Count(err.Error(), "\n") != len(tt.want) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
		}
	}
}
