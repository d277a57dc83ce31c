// Package ledger is the lake's memory: one DynamoDB table of inbox, batches, runs and leases. It owns the key layout,
// the item codecs and the conditional writes; what the writes mean is decided by the packages that use it.
package ledger

import (
	"fmt"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
)

// Inbox partitions of objects that belong to no dataset, and names that no dataset id can have.
const (
	Unroutable   = "!unroutable"
	Ignored      = "!ignored"
	Failed       = "!failed"
	Transactions = "!transactions"
	PublishMark  = "!publish"
	PublishLease = "!publish"
)

// Sort keys and prefixes.
const (
	pendingPrefix = "pending#"
	dirtyPK       = "dirty"
	openPK        = "open"
	livePK        = "live"
)

// Key is an item's primary key.
type Key struct{ PK, SK string }

// ObjectKey is the record of an object in a dataset's inbox, or in Unroutable, Ignored, Failed or Transactions.
func ObjectKey(inbox, hash string) Key { return Key{"inbox#" + inbox, "object#" + hash} }

// PendingSK is the sort key of a pending pointer: pointers sort in landing order.
func PendingSK(noticedAt, hash string) string { return pendingPrefix + noticedAt + "#" + hash }

// PendingKey is the pointer to an object that no batch has claimed.
func PendingKey(dataset, noticedAt, hash string) Key {
	return Key{"inbox#" + dataset, PendingSK(noticedAt, hash)}
}

// DirtyKey marks a dataset that has, or may have, pending objects; DirtyKey(PublishMark) marks the curated tables.
func DirtyKey(dataset string) Key { return Key{dirtyPK, dataset} }

// LeaseKey is a dataset's lease, or the publish job's.
func LeaseKey(dataset string) Key { return Key{"lease#" + dataset, "lease"} }

// BatchKey is a batch record.
func BatchKey(batch string) Key { return Key{"batch#" + batch, "batch"} }

// OpenKey exists while the batch is frozen or running.
func OpenKey(dataset, batch string) Key { return Key{openPK, dataset + "#" + batch} }

// RunKey is the record of a run's attempt.
func RunKey(run string, attempt int) Key { return Key{runPK(run), fmt.Sprintf("%06d", attempt)} }

func runPK(run string) string { return "run#" + run }

// LiveKey exists while the run's attempt is running.
func LiveKey(run string, attempt int) Key { return Key{livePK, contract.ExecutionName(run, attempt)} }

// LoadKey is the record of a dataset's full load in a generation.
func LoadKey(dataset string, generation int) Key {
	return Key{"load#" + dataset, fmt.Sprintf("%06d", generation)}
}

// LoadObjectKey is a file of a full load.
func LoadObjectKey(dataset string, generation int, hash string) Key {
	return Key{loadObjectsPK(dataset, generation), "object#" + hash}
}

func loadObjectsPK(dataset string, generation int) string {
	return fmt.Sprintf("load#%s#%06d", dataset, generation)
}

// ReplicationKey is what the controller of a source's replication remembers.
func ReplicationKey(source string) Key { return Key{"replication#" + source, "state"} }

// CursorKey is where reconcile goes on.
func CursorKey() Key { return Key{"cursor", "reconcile"} }

// hashOf is the object hash at the end of a pending pointer's or an object record's sort key.
func hashOf(sk string) string { return sk[strings.LastIndexByte(sk, '#')+1:] }
