package lambdatest

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// items are all of the ledger's, as a backup holds them.
func (w *world) items() (all []map[string]types.AttributeValue) {
	w.t.Helper()
	pages := dynamodb.NewScanPaginator(dynamo, &dynamodb.ScanInput{TableName: &w.table.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		must(w.t, err)
		all = append(all, page.Items...)
	}
	return all
}

// restore brings the ledger to what a backup holds.
func (w *world) restore(backup []map[string]types.AttributeValue) {
	w.t.Helper()
	for _, item := range w.items() {
		_, err := dynamo.DeleteItem(w.t.Context(), &dynamodb.DeleteItemInput{TableName: &w.table.Name,
			Key: map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]}})
		must(w.t, err)
	}
	for _, item := range backup {
		_, err := dynamo.PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: &w.table.Name, Item: item})
		must(w.t, err)
	}
}

// A ledger that is restored, with nothing running as the runbook asks, catches up by itself once reconcile has told of
// what it has forgotten: alone or together, in batches it had before or in others.
func TestRestoredLedgerCatchesUp(t *testing.T) {
	for name, again := range map[string][][]string{
		"the same batches":   {{"b.csv"}, {"c.csv"}},
		"another grouping":   {{"b.csv", "c.csv"}},
		"with something new": {{"b.csv"}, {"c.csv", "d.csv"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "sales.orders")
			p := newPipeline(w)
			w.land(orders("a.csv")...)
			p.quiet()
			backup := w.items()
			for _, key := range []string{"b.csv", "c.csv"} {
				w.clock = w.clock.Add(time.Minute)
				w.land(orders(key)...)
				p.quiet()
			}
			before := len(w.machine.started)

			w.restore(backup)
			all := []string{"a.csv"}
			for _, keys := range again {
				w.clock = w.clock.Add(time.Minute)
				w.land(orders(slices.Clone(keys)...)...)
				p.quiet()
				all = append(all, keys...)
			}
			if len(w.machine.started) == before {
				t.Error("nothing was started for what was forgotten")
			}
			p.settled(asSet(orders(all...)))
			if problem := w.always(map[string]string{}); problem != "" {
				t.Error(problem)
			}
		})
	}
}
