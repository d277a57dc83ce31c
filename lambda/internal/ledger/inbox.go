package ledger

import (
	"context"

	"github.com/strata-cdk/strata/lambda/contract"
)

// States of an object.
const (
	ObjectPending     = "pending"
	ObjectClaimed     = "claimed"
	ObjectUnreadable  = "unreadable"
	ObjectUnroutable  = "unroutable"
	ObjectIgnored     = "ignored"
	ObjectFailed      = "failed"
	ObjectRedelivered = "redelivered"
	ObjectSplit       = "split"
)

// Pending is a pointer to an object that no batch has claimed.
type Pending struct {
	Hash string
	contract.Object
	// Reason says why the object has to stay pending, empty if nothing is wrong with it.
	Reason string
}

func objectValues(o contract.Object) Values {
	return Values{"bucket": o.Bucket, "key": o.Key, "version": o.Version, "size": o.Size, "etag": o.ETag, "noticed_at": o.NoticedAt}
}

// ObjectValues are the attributes of an object's record.
func ObjectValues(o contract.Object, state, eventTime string) Values {
	v := objectValues(o)
	v["state"], v["event_time"] = state, eventTime
	if state == ObjectPending {
		v["pending_sk"] = PendingSK(o.NoticedAt, contract.ObjectHash(o.Key, o.Version))
	}
	return v
}

// PutPending points at a pending object of the dataset.
func PutPending(dataset string, o contract.Object) Write {
	return Put(PendingKey(dataset, o.NoticedAt, contract.ObjectHash(o.Key, o.Version)), objectValues(o), "", nil)
}

// MarkDirty counts the dataset's dirty mark up.
func MarkDirty(dataset string, by int) Write {
	return Update(DirtyKey(dataset), "ADD #n :by", "", Values{"by": by})
}

// PendingObjects calls each for the dataset's pending objects in landing order until it returns false.
func (t *Table) PendingObjects(ctx context.Context, dataset string, each func(Pending) (bool, error)) error {
	return t.query(ctx, "inbox#"+dataset, pendingPrefix, func(i Item) (bool, error) {
		return each(Pending{Hash: hashOf(i.text("sk")), Object: i.object(), Reason: i.text("reason")})
	})
}

func (i Item) object() contract.Object {
	return contract.Object{Bucket: i.text("bucket"), Key: i.text("key"), Version: i.text("version"), Size: i.number("size"),
		ETag: i.text("etag"), NoticedAt: i.text("noticed_at")}
}

// Noticed is an object's record in a dataset's inbox.
type Noticed struct {
	contract.Object
	State string
	Batch string
}

// Object reads an object's record.
func (t *Table) Object(ctx context.Context, inbox, hash string) (Noticed, error) {
	item, err := t.get(ctx, ObjectKey(inbox, hash))
	if err != nil {
		return Noticed{}, err
	}
	return Noticed{Object: item.object(), State: item.text("state"), Batch: item.text("batch")}, nil
}

// Dirty returns the dirty datasets with their counts. The publish mark is not among them.
func (t *Table) Dirty(ctx context.Context) (map[string]int64, error) {
	dirty := map[string]int64{}
	err := t.query(ctx, dirtyPK, "", func(i Item) (bool, error) {
		if sk := i.text("sk"); sk != PublishMark {
			dirty[sk] = i.number("n")
		}
		return true, nil
	})
	return dirty, err
}
