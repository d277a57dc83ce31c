package consumption

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
)

// The limits of Athena's named queries.
const (
	maxQueryBytes       = 262_144
	maxDescriptionBytes = 1024
)

var queryName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// query is one named query, rendered for Athena.
type query struct {
	name, doc, sql, database string
}

// id is the construct id of the query: the name is a collection key.
func (q query) id() string { return "Query-" + q.name }

// queries are the built-in and the user's queries, sorted by name. The error lists every problem, with paths ["<file>"].
func (p *WorkgroupProps) queries() ([]query, error) {
	var l check.List
	var all []query
	from := map[string]string{}
	if p.Operations != nil {
		all = append(all, failedBatches(p.Operations.Name()), failedRules(p.Operations.Name()),
			unmaintained(p.Operations.Name()), erasures(p.Operations.Name()), validations(p.Operations.Name()))
		for _, q := range all {
			from[q.name] = "the built-in query"
		}
	}
	l.Under("", eachFile(p.Queries, func(file, content string) {
		at := check.Key("", file)
		q, err := p.query(file, content)
		l.Under(at, err)
		if other, taken := from[q.name]; taken {
			l.Add(at, "the name is taken by "+other, q.name, "a name no other query of the workgroup has")
		}
		from[q.name] = file
		all = append(all, q)
	}))
	slices.SortFunc(all, func(a, b query) int { return strings.Compare(a.name, b.name) })
	return all, l.Err()
}

// eachFile visits the .sql files of a tree in order. A nil tree has none.
func eachFile(tree fs.FS, visit func(file, content string)) error {
	if tree == nil {
		return nil
	}
	return fs.WalkDir(tree, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(file) != ".sql" {
			return err
		}
		content, err := fs.ReadFile(tree, file)
		if err == nil {
			visit(file, string(content))
		}
		return err
	})
}

func (p *WorkgroupProps) query(file, content string) (query, error) {
	var l check.List
	q := query{name: strings.TrimSuffix(path.Base(file), ".sql"), database: "default"}
	if p.Operations != nil {
		q.database = p.Operations.Name()
	}
	if !queryName.MatchString(q.name) {
		l.Add("name", "is no query name", q.name, queryName.String())
	}
	var text string
	q.doc, text = splitComment(content)
	if len(q.doc) > maxDescriptionBytes {
		l.Add("comment", "is too long for a description", len(q.doc), fmt.Sprintf("at most %d bytes before the query", maxDescriptionBytes))
	}
	text = strings.TrimSuffix(strings.TrimSpace(text), ";")
	if text == "" {
		l.Add("query", "is empty", nil, "one statement of Athena SQL")
		return q, l.Err()
	}
	manifest := p.Manifest
	if manifest == nil {
		manifest = &dataset.Manifest{}
	}
	sql, err := manifest.AthenaSQL(text)
	l.Under("query", err)
	if len(sql) > maxQueryBytes {
		l.Add("query", "is too long", len(sql), fmt.Sprintf("at most %d bytes once rendered", maxQueryBytes))
	}
	q.sql = sql
	return q, l.Err()
}

// splitComment takes the comment lines that lead a file off its query.
func splitComment(content string) (doc, query string) {
	var comment []string
	rest := strings.TrimSpace(content)
	for strings.HasPrefix(rest, "--") {
		line, after, _ := strings.Cut(rest, "\n")
		comment = append(comment, strings.TrimSpace(strings.TrimLeft(line, "-")))
		rest = strings.TrimSpace(after)
	}
	return strings.TrimSpace(strings.Join(comment, " ")), rest
}

// failedBatches asks which batches did not arrive, or not whole, and why.
func failedBatches(database string) query {
	return query{
		name:     "failed_batches",
		doc:      "Batches that are blocked or failed, and applied ones with objects that could not be read; newest first.",
		database: database,
		sql: strings.Join([]string{
			"SELECT batch, dataset, state, code, reason, unreadable, objects, objects_read, read, quarantined, blocked,",
			"       run, attempt, frozen_at, updated_at",
			`FROM "` + database + `"."` + catalog.BatchesTable + `"`,
			"WHERE state IN ('blocked', 'failed') OR coalesce(unreadable, '') NOT IN ('', '[]')",
			"ORDER BY updated_at DESC",
		}, "\n"),
	}
}

// failedRules asks which quality rules did not hold, in which batches, and what was seen.
func failedRules(database string) query {
	return query{
		name:     "failed_rules",
		doc:      "Quality rules that did not hold, with what was expected and seen; newest batches first.",
		database: database,
		sql: strings.Join([]string{
			"SELECT dataset, rule, policy, expected, observed, rows_judged, rows_failed, batch, frozen_at",
			`FROM "` + database + `"."` + catalog.QualityResultsTable + `"`,
			"WHERE NOT passed",
			"ORDER BY frozen_at DESC, dataset, rule",
		}, "\n"),
	}
}

// unmaintained asks which tables maintenance could not keep, and why.
func unmaintained(database string) query {
	return query{
		name:     "unmaintained",
		doc:      "Tables that maintenance could not keep, or postponed since others held their lease; newest first.",
		database: database,
		sql: strings.Join([]string{
			"SELECT owner, database_name, table_name, state, detail, started_at, seconds",
			`FROM "` + database + `"."` + catalog.MaintenanceResultsTable + `"`,
			"WHERE state <> 'done'",
			"ORDER BY started_at DESC, owner",
		}, "\n"),
	}
}

// erasures asks what became of the requests to erase somebody: the report on each.
func erasures(database string) query {
	return query{
		name:     "erasures",
		doc:      "What each erasure removed, what it found when it looked anew, and what remains until when; newest first.",
		database: database,
		sql: strings.Join([]string{
			"SELECT erasure, ended_at, subject_name, subject, dataset, zone, place, action, row_count, object_count, until, rule, detail,",
			"       version_before, version_after",
			`FROM "` + database + `"."` + catalog.ErasuresTable + `"`,
			"ORDER BY ended_at DESC, erasure, dataset, zone, action, place",
		}, "\n"),
	}
}

// validations asks what came of comparing tables with their sources: what was not equal first.
func validations(database string) query {
	return query{
		name:     "validations",
		doc:      "What came of comparing tables with their sources, the latest validations first, what is not equal before what is.",
		database: database,
		sql: strings.Join([]string{
			"SELECT started_at, validation, source_name, dataset, measure, column_name, outcome, source_value, lake_value, differing, detail",
			`FROM "` + database + `"."` + catalog.ValidationResultsTable + `"`,
			"ORDER BY started_at DESC, dataset, CASE WHEN measure = 'dataset' THEN 0 WHEN outcome IN ('equal', 'told') THEN 2 ELSE 1 END, measure, column_name",
		}, "\n"),
	}
}
