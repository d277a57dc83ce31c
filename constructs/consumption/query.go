package consumption

import (
	"strings"
)

// query is one named query, rendered.
type query struct {
	Name, Doc, SQL, Database string
}

// id is the construct id of the query: the name is a collection key.
func (q query) id() string { return "Query-" + q.Name }

// queries are the built-in and the user's queries, sorted by name.
func (p *WorkgroupProps) queries() ([]query, error) {
	var all []query
	if p.Operations != nil {
		all = append(all, failedBatches(p.Operations.Name()))
	}
	return all, nil
}

// failedBatches asks which batches did not arrive, or not whole, and why.
func failedBatches(database string) query {
	return query{
		Name:     "failed_batches",
		Doc:      "Batches that are blocked or failed, and applied ones with objects that could not be read; newest first.",
		Database: database,
		SQL: strings.Join([]string{
			"SELECT batch, dataset, state, code, reason, unreadable, objects, objects_read, read, quarantined, blocked,",
			"       run, attempt, frozen_at, updated_at",
			`FROM "` + database + `"."batches"`,
			"WHERE state IN ('blocked', 'failed') OR (unreadable IS NOT NULL AND unreadable NOT IN ('', '[]'))",
			"ORDER BY updated_at DESC",
		}, "\n"),
	}
}
