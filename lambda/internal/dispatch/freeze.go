package dispatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/inbox"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

func compare(a, b string) int { return strings.Compare(a, b) }

func (inv *invocation) timestamp() string { return contract.Time(inv.Now()) }

// passes bounds how often an inbox that keeps filling is read again.
const passes = 3

// freeze turns the dataset's pending objects into batches, in landing order, and removes its dirty mark once nothing is
// left and nothing has arrived since.
func (inv *invocation) freeze(ctx context.Context, c *claimed) ([]*ledger.Batch, error) {
	var batches []*ledger.Batch
	for range passes {
		dirty, err := inv.Ledger.Dirty(ctx)
		if err != nil {
			return batches, fmt.Errorf("read the dirty mark: %w", err)
		}
		n, marked := dirty[c.dataset]
		if !marked {
			return batches, nil
		}
		fresh, err := inv.freezePending(ctx, c)
		batches = append(batches, fresh...)
		if err != nil || inv.summary.Incomplete {
			return batches, err
		}
		err = inv.Ledger.Apply(ctx, ledger.Delete(ledger.DirtyKey(c.dataset), "#n = :n", ledger.Values{"n": n}))
		if !ledger.Refused(err) {
			return batches, err
		}
	}
	return batches, nil
}

func (inv *invocation) freezePending(ctx context.Context, c *claimed) ([]*ledger.Batch, error) {
	var batches []*ledger.Batch
	var chunk []contract.Object
	var bytes int64
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		b, err := inv.freezeBatch(ctx, c, chunk, bytes)
		if b != nil {
			batches = append(batches, b)
		}
		chunk, bytes = nil, 0
		return err
	}
	err := inv.Ledger.PendingObjects(ctx, c.dataset, func(p ledger.Pending) (bool, error) {
		if len(chunk) == inv.Limits.BatchObjects || (len(chunk) > 0 && bytes+p.Size > inv.Limits.BatchBytes) {
			if err := flush(); err != nil || inv.short() {
				return false, err
			}
		}
		chunk, bytes = append(chunk, p.Object), bytes+p.Size
		return true, nil
	})
	if err != nil {
		return batches, fmt.Errorf("freeze pending objects: %w", err)
	}
	return batches, flush()
}

// freezeBatch makes a batch of these objects. Its record is the commit point: until then nothing has happened, from
// then on the marks follow from its list. It returns nil if the batch existed already.
func (inv *invocation) freezeBatch(ctx context.Context, c *claimed, objects []contract.Object, bytes int64) (*ledger.Batch, error) {
	if err := inv.keepManifest(ctx); err != nil {
		return nil, err
	}
	ids := make([]contract.ObjectID, len(objects))
	for i, o := range objects {
		ids[i] = contract.ObjectID{Key: o.Key, Version: o.Version}
	}
	id := contract.BatchID(inv.Lake, c.dataset, ids)
	b := &ledger.Batch{ID: id, Dataset: c.dataset, State: ledger.BatchFrozen, ListURI: inv.Artifacts.URI(contract.BatchListKey(id)),
		Manifest: inv.manifest.Hash, Token: c.token, FrozenAt: inv.timestamp(), Objects: int64(len(objects)), Bytes: bytes}
	list := contract.BatchList{SchemaVersion: 1, Batch: id, Lake: inv.Lake, Dataset: c.dataset, Objects: objects}
	if err := inv.Artifacts.CreateJSON(ctx, contract.BatchListKey(id), list); err != nil {
		return nil, err
	}
	err := inv.Ledger.Apply(ctx, append(ledger.CreateBatch(b), ledger.CheckLease(c.dataset, inv.claim, c.token))...)
	if failed, refused := ledger.FailedConditions(err); refused && failed[0] == 0 {
		return nil, inv.mark(ctx, b, objects)
	}
	if err != nil {
		return nil, fmt.Errorf("freeze batch %s: %w", id, err)
	}
	return b, inv.mark(ctx, b, objects)
}

// mark shows the objects of a batch as claimed in the inbox; without objects it takes them from the frozen list.
func (inv *invocation) mark(ctx context.Context, b *ledger.Batch, objects []contract.Object) error {
	if objects == nil {
		list, err := inv.Artifacts.BatchList(ctx, b.ID)
		if err != nil {
			return fmt.Errorf("redo the marks of batch %s: %w", b.ID, err)
		}
		objects = list.Objects
	}
	if err := inbox.Claim(ctx, inv.Ledger, b.Dataset, b.ID, objects); err != nil {
		return err
	}
	if err := inv.Ledger.Apply(ctx, ledger.SetMarked(b)); err != nil {
		return fmt.Errorf("note that batch %s is marked: %w", b.ID, err)
	}
	b.Marked = true
	return nil
}

// keepManifest copies the current manifest into the artifacts bucket, where work that pins it finds it after the next
// deployment has replaced the asset.
func (inv *invocation) keepManifest(ctx context.Context) error {
	if inv.manifestKept {
		return nil
	}
	if err := inv.Artifacts.Create(ctx, contract.ManifestKeyOf(inv.manifest.Hash), inv.manifest.Bytes); err != nil {
		return fmt.Errorf("keep the manifest: %w", err)
	}
	inv.manifestKept = true
	return nil
}
