package ledger

import (
	"context"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
)

// Unsplit is a transaction file whose records have not all reached their datasets.
type Unsplit struct {
	contract.Object
	// State is ObjectPending, ObjectFailed or ObjectUnroutable.
	State string
	// Reason says why it is neither pending nor split; Manifest is the hash of the declaration it was last judged by.
	Reason, Manifest string
}

// Unsplit calls each, in the order of their arrival, for the transaction files below prefix that are not split, until it
// returns false.
func (t *Table) Unsplit(ctx context.Context, prefix string, each func(Unsplit) (bool, error)) error {
	return t.PendingObjects(ctx, Transactions, func(p Pending) (bool, error) {
		if !strings.HasPrefix(p.Key, prefix) {
			return true, nil
		}
		u, err := t.UnsplitFile(ctx, p.Key, p.Version)
		if err != nil || u.State == ObjectSplit {
			return err == nil, err
		}
		return each(u)
	})
}

// UnsplitFile reads the record of a transaction file, which may be ObjectSplit by now.
func (t *Table) UnsplitFile(ctx context.Context, key, version string) (Unsplit, error) {
	item, err := t.get(ctx, ObjectKey(Transactions, contract.ObjectHash(key, version)))
	if err != nil {
		return Unsplit{}, err
	}
	return Unsplit{Object: item.object(), State: item.text("state"), Reason: item.text("reason"), Manifest: item.text("manifest")}, nil
}

// SetSplit says that the records of a transaction file have reached their datasets: so many of each. It is refused if that
// has been said already.
func SetSplit(o contract.Object, records map[string]int64, now string) []Write {
	hash := contract.ObjectHash(o.Key, o.Version)
	return []Write{
		Update(ObjectKey(Transactions, hash), "SET #state = :split, #records = :records, #split_at = :now REMOVE #reason, #manifest, #pending_sk",
			"#state <> :split", Values{"split": ObjectSplit, "records": records, "now": now}),
		Delete(PendingKey(Transactions, o.NoticedAt, hash), "", nil),
	}
}

// SetUnsplit notes why records of a transaction file have not reached a dataset, and by which declaration.
func SetUnsplit(o contract.Object, state, reason, manifest string) Write {
	return Update(ObjectKey(Transactions, contract.ObjectHash(o.Key, o.Version)), "SET #state = :state, #reason = :reason, #manifest = :manifest",
		"#state <> :split", Values{"state": state, "reason": reason, "manifest": manifest, "split": ObjectSplit})
}
