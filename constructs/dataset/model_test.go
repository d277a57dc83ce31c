package dataset_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/strata-cdk/strata/constructs/dataset"
)

func tree(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return fsys
}

func TestModelsAreReadInDependencyOrder(t *testing.T) {
	models, err := dataset.Models(tree(map[string]string{
		"models/sales/zebra.sql": "SELECT 1 AS one",
		"models/sales/alpha.sql": `SELECT * FROM {{ref('marts.totals')}}`,
		"models/marts/totals.sql": "-- Totals per day,\n--\n-- in euro.\n\n-- One row per day.\n" +
			"SELECT o_orderdate, sum(o_totalprice) AS total -- the {sum}\nFROM {{ ref(\"sales.orders\") }} AS o\nJOIN {{ ref( \"sales.zebra\" ) }} z ON true GROUP BY 1;\n",
		"models/marts/README.md": "no model",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range models {
		ids = append(ids, m.ID)
	}
	if got, want := strings.Join(ids, " "), "sales.zebra marts.totals sales.alpha"; got != want {
		t.Errorf("order: got %s, want %s", got, want)
	}
	m := models[1]
	if m.Domain != "marts" || m.Name != "totals" || m.Doc != "Totals per day, in euro. One row per day." {
		t.Errorf("got %+v", m)
	}
	if got := strings.Join(m.Inputs, " "); got != "sales.orders sales.zebra" {
		t.Errorf("inputs: got %s", got)
	}
	if !strings.HasPrefix(m.SQL, "SELECT o_orderdate") || !strings.HasSuffix(m.SQL, "GROUP BY 1") {
		t.Errorf("SQL: got %q", m.SQL)
	}
}

func TestNoModels(t *testing.T) {
	for _, fsys := range []fstest.MapFS{{}, tree(map[string]string{"README.md": "x"})} {
		if models, err := dataset.Models(fsys); err != nil || len(models) != 0 {
			t.Errorf("got %v, %v", models, err)
		}
	}
	if models, err := dataset.Models(nil); err != nil || models != nil {
		t.Errorf("nil tree: got %v, %v", models, err)
	}
}

func TestModelFilesAreRejected(t *testing.T) {
	const ref = `{{ ref("sales.orders") }}`
	for name, tt := range map[string]struct {
		file, sql string
		want      []string
	}{
		"no folder":      {"a.sql", "SELECT 1", []string{"the file lies in no folder"}},
		"bad folder":     {"Sales/a.sql", "SELECT 1", []string{".folder: is not a valid name"}},
		"bad name":       {"sales/a-b.sql", "SELECT 1", []string{".name: is not a valid name"}},
		"empty":          {"sales/a.sql", "-- only a comment\n /* and\n another */", []string{"the file holds no query"}},
		"two statements": {"sales/a.sql", "SELECT 1;\nSELECT 2;", []string{"line 2: a second statement"}},
		"no query":       {"sales/a.sql", "\nDROP TABLE x", []string{"line 2: a model is one query"}},
		"plain table":    {"sales/a.sql", "SELECT *\nFROM orders", []string{"line 2: table orders is not named by a reference"}},
		"database":       {"sales/a.sql", "SELECT * FROM db.orders o, " + ref, []string{"line 1: table db is not"}},
		"joined table":   {"sales/a.sql", "SELECT * FROM " + ref + " a LEFT JOIN `x` ON true", []string{"line 1: table x is not"}},
		"listed table":   {"sales/a.sql", "SELECT * FROM " + ref + " a, x WHERE y IN (1, 2)", []string{"line 1: table x is not"}},
		"nested table":   {"sales/a.sql", "SELECT (SELECT max(a) FROM x) FROM ((" + ref + " JOIN y USING (a)))", []string{"line 1: table x", "line 1: table y"}},
		"other template": {"sales/a.sql", "SELECT {{ var('x') }} FROM " + ref + "\n{% if %}", []string{"line 1: only {{ ref(", "line 2: only {{ ref("}},
		"hidden":         {"sales/a.sql", "SELECT '" + ref + "'\n-- FROM " + ref, []string{"line 1: a literal holds {{", "line 2: a comment holds {{"}},
		"open literal":   {"sales/a.sql", "SELECT 'a\\'", []string{"line 1: a ' has no end"}},
		"open comment":   {"sales/a.sql", "SELECT 1 /* /* */", []string{"line 1: a comment has no end"}},
		"today":          {"sales/a.sql", "SELECT current_date, now(),\n current_timestamp() FROM " + ref, []string{"line 1: current_date gives", "line 1: now() gives", "line 2: current_timestamp gives"}},
		"random":         {"sales/a.sql", "SELECT Rand(7), UUID(), unix_timestamp() FROM " + ref, []string{"line 1: rand() gives", "line 1: uuid() gives", "line 1: unix_timestamp() gives"}},
		"typed literal":  {"sales/a.sql", "SELECT DATE 'today', TIMESTAMP ' Now UTC ' FROM " + ref, []string{"line 1: date 'today' gives", "line 1: timestamp 'now utc' gives"}},
		"sample":         {"sales/a.sql", "SELECT * FROM " + ref + " TABLESAMPLE (1 PERCENT)", []string{"line 1: tablesample gives"}},
		"time travel":    {"sales/a.sql", "SELECT * FROM " + ref + " VERSION AS OF 1\nJOIN " + ref + " FOR TIMESTAMP AS OF '2020-01-01' ON true", []string{"line 1: the input sales.orders is read", "line 2: the input sales.orders is read"}},
		"braces":         {"sales/a.sql", "SELECT '{\"a\":{}}' FROM " + ref + "}}", []string{"line 1: }} stands outside"}},
		"several": {"sales/a.sql", "SELECT rand() FROM x; SELECT 1",
			[]string{"line 1: a second statement", "line 1: rand() gives", "line 1: table x is not"}},
		"long doc": {"sales/a.sql", "-- " + strings.Repeat("x", 2049) + "\nSELECT 1", []string{".comment: is too long"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dataset.Models(tree(map[string]string{tt.file: tt.sql}))
			var want []string
			for _, w := range tt.want {
				if !strings.HasPrefix(w, ".") {
					w = ": " + w
				}
				want = append(want, `["`+tt.file+`"]`+w)
			}
			wantProblems(t, err, want...)
		})
	}
}

func TestQueriesThatAreAccepted(t *testing.T) {
	for _, sql := range []string{
		"WITH a AS (SELECT * FROM R), b (x, y) AS (SELECT 1, 2) SELECT * FROM a JOIN B ON a.x IS NOT DISTINCT FROM b.x",
		"(SELECT extract(YEAR FROM d), trim(BOTH ' ' FROM s), substring(s FROM 2) FROM R)",
		"SELECT 'now()', \"rand()\", `current_date`, now, o.current_date -- rand()\nFROM R o /* uuid() */",
		"SELECT DATE '2020-01-01', unix_timestamp(ts), date_add(d, 1) AS current_date FROM R",
		"SELECT k, v FROM R LATERAL VIEW explode(m) t AS k, v",
		"SELECT * FROM R, LATERAL explode(xs) AS x, (SELECT 1) s",
		"SELECT * FROM explode(array(1, 2)) UNION ALL SELECT a, b FROM VALUES (1, 2), (3, 4) AS t(a, b)",
		"SELECT 'it''s; fine', 'a\\'; b' FROM R ;\n-- the end\n",
		"FROM R SELECT count(DISTINCT a), b ORDER BY b, a",
		"SELECT sum(x) OVER w, y FROM R WINDOW w AS (PARTITION BY a, b ORDER BY c), v AS (ORDER BY d)",
		"SELECT * FROM (R a JOIN R b USING (x)) WHERE a.x IN (SELECT y FROM R) GROUP BY a, b",
	} {
		sql = strings.ReplaceAll(sql, "R ", `{{ ref("sales.orders") }} `)
		sql = strings.ReplaceAll(strings.ReplaceAll(sql, "R)", `{{ ref("sales.orders") }})`), "R,", `{{ ref("sales.orders") }},`)
		if strings.HasSuffix(sql, "R") {
			sql = strings.TrimSuffix(sql, "R") + `{{ ref('sales.orders') }}`
		}
		if _, err := dataset.Models(tree(map[string]string{"sales/a.sql": sql})); err != nil {
			t.Errorf("%s\n%v", sql, err)
		}
	}
}

func TestModelsAreJudgedTogether(t *testing.T) {
	read := func(id string) string { return `SELECT * FROM {{ ref("` + id + `") }}` }
	_, err := dataset.Models(tree(map[string]string{"a/m/x.sql": "SELECT 1", "b/m/x.sql": "SELECT 2"}))
	wantProblems(t, err, `["b/m/x.sql"]: the id is taken by ["a/m/x.sql"]`)

	found, err := dataset.Models(tree(map[string]string{"m/good.sql": "SELECT 1", "m/bad.sql": "SELECT rand()"}))
	if wantProblems(t, err, `["m/bad.sql"]: line 1: rand()`); len(found) != 2 {
		t.Errorf("the models that refer to a faulty one cannot be judged: got %v", found)
	}

	_, err = dataset.Models(tree(map[string]string{
		"m/a.sql": read("m.b"), "m/b.sql": read("m.c"), "m/c.sql": read("m.a"), "m/d.sql": read("m.a"), "m/e.sql": read("m.e"), "m/f.sql": "SELECT 1",
	}))
	wantProblems(t, err, `["m/a.sql"]: refers to itself: m.a → m.b → m.c → m.a`, `["m/e.sql"]: refers to itself: m.e → m.e`)

	models, err := dataset.Models(tree(map[string]string{"sales/orders.sql": read("sales.lineitem"), "sales/x.sql": read("sales.orders")}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = dataset.NewManifest("commerce", []dataset.Spec{orders()}, nil, models)
	wantProblems(t, err,
		`Models["sales/orders.sql"]: a dataset has this id`, `Models["sales/orders.sql"]: refers to no declared dataset or model`)
}
