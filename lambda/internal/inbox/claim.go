package inbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Claim shows a batch's objects as claimed by it and removes their pointers. It may be repeated at any time; an object
// that another batch has claimed since is left alone.
func Claim(ctx context.Context, w Writer, dataset, batch string, objects []contract.Object) error {
	const perObject = 2
	for left := objects; len(left) > 0; {
		chunk := left[:min(ledger.TransactLimit/perObject, len(left))]
		var writes []ledger.Write
		for _, o := range chunk {
			hash := contract.ObjectHash(o.Key, o.Version)
			writes = append(writes,
				ledger.Update(ledger.ObjectKey(dataset, hash), "SET #state = :claimed, #batch = :batch REMOVE #pending_sk, #reason",
					"attribute_exists(#pk) AND (attribute_not_exists(#batch) OR #batch = :batch)",
					ledger.Values{"claimed": ledger.ObjectClaimed, "batch": batch}),
				ledger.Delete(ledger.PendingKey(dataset, o.NoticedAt, hash), "", nil))
		}
		err := w.Apply(ctx, writes...)
		if failed, refused := ledger.FailedConditions(err); refused {
			for i := range failed {
				failed[i] /= perObject
			}
			left = append(ledger.Drop(chunk, failed), left[len(chunk):]...)
			continue
		}
		if err != nil {
			return fmt.Errorf("mark %d objects of batch %s as claimed: %w", len(chunk), batch, err)
		}
		left = left[len(chunk):]
	}
	return nil
}

// Reader reads object records.
type Reader interface {
	Object(ctx context.Context, inbox, hash string) (ledger.Noticed, error)
}

// Repend makes those of an applied batch's unreadable objects pending again that are still its own, and returns them.
// Their place in the landing order stays what it was.
func Repend(ctx context.Context, r Reader, w Writer, dataset, batch string, objects []contract.ObjectID) ([]contract.ObjectID, error) {
	var repended []contract.ObjectID
	for _, id := range objects {
		hash := contract.ObjectHash(id.Key, id.Version)
		o, err := r.Object(ctx, dataset, hash)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return repended, err
		}
		if o.State != ledger.ObjectUnreadable || o.Batch != batch {
			continue
		}
		err = w.Apply(ctx,
			ledger.Update(ledger.ObjectKey(dataset, hash), "SET #state = :pending, #pending_sk = :sk REMOVE #batch, #reason",
				"#state = :unreadable AND #batch = :batch", ledger.Values{"pending": ledger.ObjectPending,
					"unreadable": ledger.ObjectUnreadable, "batch": batch, "sk": ledger.PendingSK(o.NoticedAt, hash)}),
			ledger.PutPending(dataset, o.Object),
			ledger.MarkDirty(dataset, 1))
		if err != nil && !ledger.Refused(err) {
			return repended, fmt.Errorf("make %s of batch %s pending again: %w", id.Key, batch, err)
		}
		if err == nil {
			repended = append(repended, id)
		}
	}
	return repended, nil
}
