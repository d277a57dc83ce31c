package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// claimed is a dataset whose lease the invocation holds, with the batches to run.
type claimed struct {
	dataset string
	token   int64
	batches []*ledger.Batch
	// alone: the batch has ended a run without an outcome before, so it shares none.
	alone bool
}

// drain takes every dataset that is dirty or has open batches as far as a started run. A dataset that fails holds up no
// other.
func (inv *invocation) drain(ctx context.Context) error {
	dirty, err := inv.Ledger.Dirty(ctx)
	if err != nil {
		return fmt.Errorf("list dirty datasets: %w", err)
	}
	open, err := inv.Ledger.OpenBatches(ctx, "")
	if err != nil {
		return fmt.Errorf("list open batches: %w", err)
	}
	waiting := map[string]bool{}
	for d := range dirty {
		waiting[d] = true
	}
	for d := range open {
		waiting[d] = true
	}
	var ready []*claimed
	var problems []error
	for _, dataset := range slices.Sorted(maps.Keys(waiting)) {
		if inv.short() {
			break
		}
		c, err := inv.prepare(ctx, dataset)
		if err != nil {
			problems = append(problems, fmt.Errorf("dataset %s: %w", dataset, err))
		}
		if c != nil {
			ready = append(ready, c)
		}
	}
	problems = append(problems, inv.start(ctx, ready), inv.publish(ctx))
	return errors.Join(problems...)
}

// prepare takes the dataset's lease and gathers its batches. Without batches, or on an error, the lease is given back.
func (inv *invocation) prepare(ctx context.Context, dataset string) (*claimed, error) {
	token, ok, err := inv.take(ctx, dataset)
	if err != nil || !ok {
		return nil, err
	}
	c := &claimed{dataset: dataset, token: token}
	err = inv.gather(ctx, c)
	if err == nil && len(c.batches) > 0 {
		return c, nil
	}
	freed := inv.Ledger.Apply(ctx, ledger.FreeLease(dataset, inv.claim, token))
	if ledger.Refused(freed) {
		freed = nil
	}
	return nil, errors.Join(err, freed)
}

// gather resumes open batches and freezes pending objects into new ones.
func (inv *invocation) gather(ctx context.Context, c *claimed) error {
	batches, err := inv.resume(ctx, c)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(batches, func(b *ledger.Batch) bool { return b.Attempt > 0 }); i >= 0 {
		c.batches, c.alone = batches[i:i+1], true
		return nil
	}
	if !inv.manifest.Has(c.dataset) {
		inv.skip(c.dataset, "the manifest does not declare it any more; its pending objects wait")
		c.batches = batches
		return nil
	}
	fresh, err := inv.freeze(ctx, c)
	c.batches = append(batches, fresh...)
	return err
}

// resume returns the dataset's open batches, oldest first, with the marks that an interruption left undone redone and
// those that used their attempts up ended.
func (inv *invocation) resume(ctx context.Context, c *claimed) ([]*ledger.Batch, error) {
	open, err := inv.Ledger.OpenBatches(ctx, c.dataset)
	if err != nil {
		return nil, fmt.Errorf("list open batches: %w", err)
	}
	var batches []*ledger.Batch
	for _, id := range open[c.dataset] {
		b, err := inv.Ledger.Batch(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("open batch: %w", err)
		}
		if !b.Marked {
			if err := inv.mark(ctx, b, nil); err != nil {
				return nil, err
			}
		}
		switch {
		case !b.Open():
			err = inv.Ledger.Apply(ctx, ledger.DeleteOpen(b))
		case b.Attempt >= inv.Limits.MaxAttempts:
			err = inv.exhaust(ctx, c, b)
		default:
			batches = append(batches, b)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(batches, func(a, b *ledger.Batch) int {
		if a.FrozenAt != b.FrozenAt {
			return compare(a.FrozenAt, b.FrozenAt)
		}
		return compare(a.ID, b.ID)
	})
	return batches, nil
}

func (inv *invocation) exhaust(ctx context.Context, c *claimed, b *ledger.Batch) error {
	reason := fmt.Sprintf("%d runs ended without an outcome for it, %d are allowed", b.Attempt, inv.Limits.MaxAttempts)
	writes := append(ledger.Exhaust(b, b.Run, b.Attempt, reason, inv.timestamp()), ledger.CheckLease(c.dataset, inv.claim, c.token))
	if err := inv.Ledger.Apply(ctx, writes...); err != nil {
		return fmt.Errorf("end batch %s as exhausted: %w", b.ID, err)
	}
	inv.summary.Exhausted = append(inv.summary.Exhausted, b.ID)
	ended, err := inv.Ledger.Batch(ctx, b.ID)
	if err != nil {
		return err
	}
	return inv.Settler.Outcome(ctx, ended)
}
