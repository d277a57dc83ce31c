package dispatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/inbox"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

func compare(a, b string) int { return strings.Compare(a, b) }

func (inv *invocation) timestamp() string { return contract.Time(inv.Now()) }

// passes bounds how often an inbox that keeps filling is read again.
const passes = 3

// freeze turns the dataset's pending objects into batches, in landing order, and removes its dirty mark once nothing that
// may be claimed later is left and nothing has arrived since.
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
		fresh, waiting, err := inv.freezeAll(ctx, c)
		batches = append(batches, fresh...)
		if err != nil || inv.summary.Incomplete || waiting {
			return batches, err
		}
		err = inv.Ledger.Apply(ctx, ledger.Delete(ledger.DirtyKey(c.dataset), "#n = :n", ledger.Values{"n": n}))
		if !ledger.Refused(err) {
			return batches, err
		}
	}
	return batches, nil
}

// freezeAll freezes what may be claimed. waiting says that the rest has to wait for a full load.
func (inv *invocation) freezeAll(ctx context.Context, c *claimed) (batches []*ledger.Batch, waiting bool, err error) {
	e, declared := inv.manifest.Dataset(c.dataset)
	switch {
	case declared && e.Gated():
		return inv.freezeReplicated(ctx, c)
	case declared && e.Load == dataset.Snapshot:
		batches, err = inv.freezeSnapshots(ctx, c, e.Delivery)
		return batches, false, err
	}
	batches, err = inv.freezePending(ctx, c, func(ledger.Pending) (bool, error) { return true, nil })
	return batches, false, err
}

// freezePending freezes the pending objects that wanted lets pass.
func (inv *invocation) freezePending(ctx context.Context, c *claimed, wanted func(ledger.Pending) (bool, error)) ([]*ledger.Batch, error) {
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
		if want, err := wanted(p); err != nil || !want {
			return !inv.short(), err
		}
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

// freezeBatch makes a batch of these objects. It returns nil if the batch existed already.
func (inv *invocation) freezeBatch(ctx context.Context, c *claimed, objects []contract.Object, bytes int64) (*ledger.Batch, error) {
	b := inv.newBatch(c, contract.BatchID(inv.Lake, c.dataset, ids(objects)), objects, bytes)
	err := inv.commitBatch(ctx, c, b, contract.BatchList{Objects: objects})
	if failed, refused := ledger.FailedConditions(err); refused && failed[0] == 0 {
		return nil, inv.mark(ctx, b, objects)
	}
	if err != nil {
		return nil, err
	}
	return b, inv.mark(ctx, b, objects)
}

// freezeLoad makes the batch of a full load. The load's record names the batch from the same transaction on.
func (inv *invocation) freezeLoad(ctx context.Context, c *claimed, l ledger.Load, objects []contract.Object) (*ledger.Batch, error) {
	var bytes int64
	for _, o := range objects {
		bytes += o.Size
	}
	if objects == nil {
		objects = []contract.Object{}
	}
	b := inv.newBatch(c, contract.LoadBatchID(inv.Lake, c.dataset, l.Generation, ids(objects)), objects, bytes)
	b.Load = l.Generation
	list := contract.BatchList{Objects: objects, Load: &contract.BatchLoad{Generation: l.Generation}}
	if err := inv.commitBatch(ctx, c, b, list, ledger.FreezeLoad(l, b.ID)); err != nil {
		return nil, err
	}
	return b, inv.mark(ctx, b, objects)
}

func (inv *invocation) newBatch(c *claimed, id string, objects []contract.Object, bytes int64) *ledger.Batch {
	return &ledger.Batch{ID: id, Dataset: c.dataset, State: ledger.BatchFrozen, ListURI: inv.Artifacts.URI(contract.BatchListKey(id)),
		Manifest: inv.manifest.Hash, Token: c.token, FrozenAt: inv.timestamp(), Objects: int64(len(objects)), Bytes: bytes}
}

// commitBatch writes a batch's list and then its record, which is the commit point: until then nothing has happened, from
// then on the marks follow from the list.
func (inv *invocation) commitBatch(ctx context.Context, c *claimed, b *ledger.Batch, list contract.BatchList, also ...ledger.Write) error {
	if err := inv.keepManifest(ctx); err != nil {
		return err
	}
	list.SchemaVersion, list.Batch, list.Lake, list.Dataset = 1, b.ID, inv.Lake, b.Dataset
	if err := inv.Artifacts.CreateJSON(ctx, contract.BatchListKey(b.ID), list); err != nil {
		return err
	}
	writes := append(ledger.CreateBatch(b), ledger.CheckLease(c.dataset, inv.claim, c.token))
	if err := inv.Ledger.Apply(ctx, append(writes, also...)...); err != nil {
		return fmt.Errorf("freeze batch %s: %w", b.ID, err)
	}
	return nil
}

func ids(objects []contract.Object) []contract.ObjectID {
	out := make([]contract.ObjectID, len(objects))
	for i, o := range objects {
		out[i] = contract.ObjectID{Key: o.Key, Version: o.Version}
	}
	return out
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

// declared keeps the current manifest and tells where: for jobs that no batch has pinned one for.
func (inv *invocation) declared(ctx context.Context) (*Declared, error) {
	if err := inv.keepManifest(ctx); err != nil {
		return nil, err
	}
	return &Declared{inv.Artifacts.URI(contract.ManifestKeyOf(inv.manifest.Hash)), inv.manifest.Hash}, nil
}
