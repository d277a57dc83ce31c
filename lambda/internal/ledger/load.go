package ledger

import (
	"context"
	"fmt"
	"strconv"

	"github.com/strata-cdk/strata/lambda/contract"
)

// States of a full load.
const (
	LoadLoading  = "loading"
	LoadComplete = "complete"
)

// Roles of a file of a full load.
const (
	// LoadCurrent files are the load.
	LoadCurrent = "load"
	// LoadSuperseded files were written by an earlier try of a load that was started anew.
	LoadSuperseded = "superseded"
)

// Load is the record of a dataset's full load in a generation: of its replication's controller, which completes it, and
// of dispatch, which turns it into a batch.
type Load struct {
	Dataset    string
	Generation int
	State      string
	// Snapshot says that the load holds every row of the table. A replication of changes alone has none.
	Snapshot bool
	// Objects is the number of current files, Rows what the replication counted. Both are known once it is complete.
	Objects, Rows int64
	// Replication is the ARN of the replication's configuration.
	Replication            string
	StartedAt, CompletedAt string
	// Batch is the load's batch, empty until it is frozen.
	Batch string
}

// Loads returns the dataset's loads by generation.
func (t *Table) Loads(ctx context.Context, dataset string) (map[int]Load, error) {
	loads := map[int]Load{}
	err := t.query(ctx, LoadKey(dataset, 0).PK, "", func(i Item) (bool, error) {
		generation, err := strconv.Atoi(i.text("sk"))
		if err != nil {
			return false, fmt.Errorf("generation of a load of %s: %w", dataset, err)
		}
		loads[generation] = Load{Dataset: dataset, Generation: generation, State: i.text("state"), Snapshot: i.flag("snapshot"),
			Objects: i.number("objects"), Rows: i.number("rows"), Replication: i.text("replication"),
			StartedAt: i.text("started_at"), CompletedAt: i.text("completed_at"), Batch: i.text("batch")}
		return true, nil
	})
	return loads, err
}

// LoadObjects returns the roles of a load's files by object hash. They change only while the load is loading.
func (t *Table) LoadObjects(ctx context.Context, dataset string, generation int) (map[string]string, error) {
	roles := map[string]string{}
	err := t.query(ctx, loadObjectsPK(dataset, generation), "object#", func(i Item) (bool, error) {
		roles[hashOf(i.text("sk"))] = i.text("role")
		return true, nil
	})
	return roles, err
}

// BeginLoad records a load as loading. One that is recorded already stays as it is.
func BeginLoad(l Load) Write {
	return Create(LoadKey(l.Dataset, l.Generation), Values{"dataset": l.Dataset, "state": LoadLoading, "snapshot": l.Snapshot,
		"replication": l.Replication, "started_at": l.StartedAt})
}

// PutLoadObject records a file of a load.
func PutLoadObject(dataset string, generation int, id contract.ObjectID, role string) Write {
	return Put(LoadObjectKey(dataset, generation, contract.ObjectHash(id.Key, id.Version)),
		Values{"key": id.Key, "version": id.Version, "role": role}, "", nil)
}

// DeleteLoadObject forgets a file of a load.
func DeleteLoadObject(dataset string, generation int, hash string) Write {
	return Delete(LoadObjectKey(dataset, generation, hash), "", nil)
}

const loading = "#state = :loading"

// CheckLoading holds while the load is not complete.
func CheckLoading(dataset string, generation int) Write {
	return Check(LoadKey(dataset, generation), loading, Values{"loading": LoadLoading})
}

// CompleteLoad completes a load and makes dispatch look at the dataset.
func CompleteLoad(l Load) []Write {
	return []Write{
		Update(LoadKey(l.Dataset, l.Generation), "SET #state = :complete, #objects = :objects, #rows = :rows, #completed_at = :now", loading,
			Values{"complete": LoadComplete, "objects": l.Objects, "rows": l.Rows, "now": l.CompletedAt, "loading": LoadLoading}),
		MarkDirty(l.Dataset, 1),
	}
}

// FreezeLoad says which batch holds a complete load.
func FreezeLoad(l Load, batch string) Write {
	return Update(LoadKey(l.Dataset, l.Generation), "SET #batch = :batch", "#state = :complete AND attribute_not_exists(#batch)",
		Values{"batch": batch, "complete": LoadComplete})
}

// IgnorePending takes a pending object out of the inbox for good.
func IgnorePending(dataset string, p Pending, reason string) []Write {
	return []Write{
		Update(ObjectKey(dataset, p.Hash), "SET #state = :ignored, #reason = :reason REMOVE #pending_sk", "#state = :pending",
			Values{"ignored": ObjectIgnored, "pending": ObjectPending, "reason": reason}),
		Delete(PendingKey(dataset, p.NoticedAt, p.Hash), "", nil),
	}
}

// ReportPending gives a reason why a pending object stays pending.
func ReportPending(dataset string, p Pending, reason string) []Write {
	return []Write{
		Update(ObjectKey(dataset, p.Hash), "SET #reason = :reason", "#state = :pending",
			Values{"pending": ObjectPending, "reason": reason}),
		Update(PendingKey(dataset, p.NoticedAt, p.Hash), "SET #reason = :reason", "attribute_exists(#pk)", Values{"reason": reason}),
	}
}
