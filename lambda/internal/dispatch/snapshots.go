package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// freezeSnapshots makes each pending delivery of a snapshot a batch of its own: a batch is a whole table. They are frozen
// in the order of their stamps, and of one stamp as they landed, so that of deliveries that came together none is stale.
// The table's own mark decides when they come apart.
func (inv *invocation) freezeSnapshots(ctx context.Context, c *claimed, d *dataset.Delivery) ([]*ledger.Batch, error) {
	type delivery struct {
		object contract.Object
		stamp  string
	}
	var deliveries []delivery
	err := inv.Ledger.PendingObjects(ctx, c.dataset, func(p ledger.Pending) (bool, error) {
		deliveries = append(deliveries, delivery{p.Object, inv.stampOf(d, p.Key)})
		return !inv.short(), nil
	})
	if err != nil {
		return nil, fmt.Errorf("list pending deliveries: %w", err)
	}
	slices.SortStableFunc(deliveries, func(a, b delivery) int { return strings.Compare(a.stamp, b.stamp) })
	var batches []*ledger.Batch
	for _, d := range deliveries {
		if inv.short() {
			break
		}
		b, err := inv.freezeBatch(ctx, c, []contract.Object{d.object}, d.object.Size)
		if b != nil {
			batches = append(batches, b)
		}
		if err != nil {
			return batches, err
		}
	}
	return batches, nil
}

// stampOf is the stamp of a delivery's key; of one that has none refine says so.
func (inv *invocation) stampOf(d *dataset.Delivery, key string) string {
	at, _ := inv.manifest.LandingOf(key)
	stamp, _ := d.StampOf(strings.TrimPrefix(key, at.Prefix))
	return stamp
}
