package dispatch

import (
	"context"
	"fmt"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/inbox"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Replayed is what a replay did, before the drain that starts the runs.
type Replayed struct {
	Batches  []ReplayedBatch  `json:"replayed"`
	Repended []RependedObject `json:"repended"`
	Kept     []KeptBatch      `json:"not_replayed"`
}

// ReplayedBatch is a batch that is frozen again. State is the state it had.
type ReplayedBatch struct {
	Batch   string `json:"batch"`
	Dataset string `json:"dataset"`
	State   string `json:"state"`
}

// RependedObject is an unreadable object of an applied batch that is pending again.
type RependedObject struct {
	Batch   string `json:"batch"`
	Dataset string `json:"dataset"`
	contract.ObjectID
}

// KeptBatch is a selected batch that was left as it is.
type KeptBatch struct {
	Batch  string `json:"batch"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// replay opens the selected batches again under the current manifest. Each batch changes in one conditional
// transaction, so a replay that is cut short may be repeated.
func (inv *invocation) replay(ctx context.Context, request Request) (*Replayed, error) {
	s, err := inv.choose(request)
	if err != nil {
		return nil, err
	}
	if err := inv.keepManifest(ctx); err != nil {
		return nil, err
	}
	done := &Replayed{Batches: []ReplayedBatch{}, Repended: []RependedObject{}, Kept: []KeptBatch{}}
	err = inv.batches(ctx, s, func(b *ledger.Batch) (bool, error) {
		if inv.short() {
			return false, nil
		}
		if s.state != "" && b.State != s.state {
			if s.batch != "" {
				done.keep(b, fmt.Sprintf("its state is not %s", s.state))
			}
			return true, nil
		}
		if err := inv.replayBatch(ctx, b, s.force, done); err != nil {
			return false, fmt.Errorf("replay batch %s: %w", b.ID, err)
		}
		return true, nil
	})
	return done, err
}

func (r *Replayed) keep(b *ledger.Batch, reason string) {
	r.Kept = append(r.Kept, KeptBatch{b.ID, b.State, reason})
}

func (inv *invocation) replayBatch(ctx context.Context, b *ledger.Batch, force bool, done *Replayed) error {
	switch {
	case b.Open():
		done.keep(b, "it has no outcome yet and is going to run")
		return nil
	case !inv.manifest.Has(b.Dataset):
		done.keep(b, fmt.Sprintf("the manifest does not declare dataset %s any more", b.Dataset))
		return nil
	case b.State == ledger.BatchBlocked || b.State == ledger.BatchFailed || force:
		return inv.reopen(ctx, b, done, ledger.Reopening{})
	case len(b.Unreadable) > 0:
		return inv.repend(ctx, b, done)
	default:
		done.keep(b, `it has run to its end; "force": true runs it again`)
		return nil
	}
}

func (inv *invocation) reopen(ctx context.Context, b *ledger.Batch, done *Replayed, more ledger.Reopening) error {
	err := inv.Ledger.Apply(ctx, ledger.Reopen(b, inv.manifest.Hash, inv.timestamp(), more)...)
	if ledger.Refused(err) {
		done.keep(b, "it changed while it was being replayed")
		return nil
	}
	if err != nil {
		return err
	}
	done.Batches = append(done.Batches, ReplayedBatch{b.ID, b.Dataset, b.State})
	frozen, err := inv.Ledger.Batch(ctx, b.ID)
	if err != nil {
		return err
	}
	// The mirror says frozen until the new outcome, so that failed batches are not listed while they are being mended.
	return inv.Artifacts.Mirror(ctx, frozen)
}

func (inv *invocation) repend(ctx context.Context, b *ledger.Batch, done *Replayed) error {
	ids := make([]contract.ObjectID, len(b.Unreadable))
	for i, u := range b.Unreadable {
		ids[i] = contract.ObjectID{Key: u.Key, Version: u.Version}
	}
	repended, err := inbox.Repend(ctx, inv.Ledger, inv.Ledger, b.Dataset, b.ID, ids)
	for _, id := range repended {
		done.Repended = append(done.Repended, RependedObject{b.ID, b.Dataset, id})
	}
	if err != nil {
		return err
	}
	if len(repended) == 0 {
		done.keep(b, `its unreadable objects have been taken up already; "force": true runs the batch itself again`)
		return nil
	}
	return inv.Ledger.Apply(ctx, ledger.NoteRepended(b, len(repended), inv.timestamp()))
}
