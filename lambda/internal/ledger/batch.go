package ledger

import (
	"context"
	"errors"

	"github.com/strata-cdk/strata/lambda/contract"
)

// States of a batch.
const (
	BatchFrozen  = "frozen"
	BatchRunning = "running"
	BatchApplied = "applied"
	BatchEmpty   = "empty"
	BatchBlocked = "blocked"
	BatchFailed  = "failed"
)

// CodeExhausted is the outcome code of a batch that used its attempts up.
const CodeExhausted = "exhausted"

// IsNotFound tells whether err says that a record does not exist.
func IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// Batch is a batch record.
type Batch struct {
	ID, Dataset, State, ListURI, Manifest string

	Attempt             int
	Run                 string
	Token               int64
	Force, Marked       bool
	PriorState          string
	FrozenAt, UpdatedAt string
	Objects, Bytes      int64
	ObjectsRead         int64
	// Absent is how many rows went because a full load did not have them.
	Absent int64
	// RulesFailed and RulesWarned are quality rules that did not hold, by their policy: block and warn.
	RulesFailed, RulesWarned int64
	Counts, Reasons          map[string]int64
	Unreadable               []Unreadable
	Code, Reason             string
	Snapshot                 string
	Rerun                    *Rerun
	Mirrored                 bool
	// Load is the generation whose full load the batch is, 0 for any other batch.
	Load int
	// Corrections are the files of corrections of its records, in the order they were asked for.
	Corrections []Correction
	// Replays name the replays of the state machine that took the batch up.
	Replays []string
}

// Correction is a file of corrections, by version.
type Correction struct{ Bucket, Key, Version string }

// Unreadable is an object of a batch that refine could not read.
type Unreadable struct {
	Key     string `json:"key"`
	Version string `json:"version"`
	Reason  string `json:"reason"`
}

// Rerun is the outcome of a forced run of an applied batch.
type Rerun struct {
	At                  string
	State, Code, Reason string
	RowsChanged         int64
}

// Ended is what became of the batch's last run, which of a forced one is told apart from the batch's own outcome.
func (b *Batch) Ended() (state, code, reason string) {
	if r := b.Rerun; r != nil && r.State != "" && !b.Open() {
		return r.State, r.Code, r.Reason
	}
	return b.State, b.Code, b.Reason
}

// Open tells whether the batch has no outcome yet.
func (b *Batch) Open() bool { return b.State == BatchFrozen || b.State == BatchRunning }

// Batch reads a batch record.
func (t *Table) Batch(ctx context.Context, id string) (*Batch, error) {
	item, err := t.get(ctx, BatchKey(id))
	if err != nil {
		return nil, err
	}
	return item.batch(), nil
}

func (i Item) batch() *Batch {
	b := &Batch{ID: i.text("pk")[len("batch#"):], Dataset: i.text("dataset"), State: i.text("state"), ListURI: i.text("list_uri"),
		Manifest: i.text("manifest"), Attempt: int(i.number("attempt")), Run: i.text("run"), Token: i.number("token"),
		Force: i.flag("force"), Marked: i.flag("marked"), PriorState: i.text("prior_state"), FrozenAt: i.text("frozen_at"),
		UpdatedAt: i.text("updated_at"), Objects: i.number("objects"), Bytes: i.number("bytes"),
		ObjectsRead: i.number("objects_read"), Absent: i.number("absent"),
		RulesFailed: i.number("rules_failed"), RulesWarned: i.number("rules_warned"), Counts: i.numbers("counts"), Reasons: i.numbers("reasons"),
		Code: i.text("code"), Reason: i.text("reason"), Snapshot: i.text("snapshot"), Mirrored: i.flag("mirrored"),
		Load: int(i.number("load")), Replays: i.texts("replays")}
	for _, u := range i.maps("unreadable") {
		b.Unreadable = append(b.Unreadable, Unreadable{u.text("key"), u.text("version"), u.text("reason")})
	}
	for _, c := range i.maps("corrections") {
		b.Corrections = append(b.Corrections, Correction{c.text("bucket"), c.text("key"), c.text("version")})
	}
	if r, ok := i.inner("rerun"); ok {
		b.Rerun = &Rerun{At: r.text("at"), State: r.text("state"), Code: r.text("code"), Reason: r.text("reason"), RowsChanged: r.number("rows_changed")}
	}
	return b
}

// CreateBatch makes a frozen batch that is not marked yet.
func CreateBatch(b *Batch) []Write {
	record := Values{"dataset": b.Dataset, "state": BatchFrozen, "list_uri": b.ListURI, "manifest": b.Manifest,
		"attempt": 0, "token": b.Token, "force": false, "marked": false, "mirrored": false, "frozen_at": b.FrozenAt,
		"updated_at": b.FrozenAt, "objects": b.Objects, "bytes": b.Bytes}
	if b.Load > 0 {
		record["load"] = b.Load
	}
	return []Write{Create(BatchKey(b.ID), record), putOpen(b.Dataset, b.ID)}
}

func putOpen(dataset, batch string) Write {
	return Put(OpenKey(dataset, batch), Values{"batch": batch, "dataset": dataset}, "", nil)
}

// DeleteOpen removes the open pointer of a batch.
func DeleteOpen(b *Batch) Write { return Delete(OpenKey(b.Dataset, b.ID), "", nil) }

const asSeen = "#state = :seen_state AND #updated_at = :seen_at"

func (b *Batch) seen() Values {
	return Values{"seen_state": b.State, "seen_at": b.UpdatedAt}
}

// Charge returns an open batch to frozen with this attempt count, charged to run. Its marks are redone, since the run
// may have shown objects as unreadable before it ended; those of a forced rerun keep the earlier outcome's.
func Charge(b *Batch, run string, attempt int, now string) Write {
	values := b.seen()
	values["frozen"], values["attempt"], values["run"], values["now"] = BatchFrozen, attempt, run, now
	values["marked"] = b.Force
	return Update(BatchKey(b.ID), "SET #state = :frozen, #attempt = :attempt, #run = :run, #marked = :marked, #updated_at = :now",
		asSeen, values)
}

// Exhaust ends an open batch that has used its attempts up: it has failed, unless it was a forced rerun, which leaves
// the earlier outcome as it is.
func Exhaust(b *Batch, run string, attempt int, reason, now string) []Write {
	values := b.seen()
	values["attempt"], values["run"], values["now"] = attempt, run, now
	set := "SET #state = :to, #attempt = :attempt, #run = :run, #updated_at = :now, #mirrored = :no"
	values["no"] = false
	if b.Force {
		values["to"], values["off"] = b.PriorState, false
		values["rerun"] = map[string]any{"at": now, "state": BatchFailed, "code": CodeExhausted, "reason": reason, "rows_changed": 0}
		set += ", #force = :off, #rerun = :rerun REMOVE #prior_state"
	} else {
		values["to"], values["code"], values["reason"] = BatchFailed, CodeExhausted, reason
		set += ", #code = :code, #reason = :reason"
	}
	return []Write{Update(BatchKey(b.ID), set, asSeen, values), DeleteOpen(b)}
}

// Reopening is what a replay adds to a batch: the name under which the state machine carries it, if it does, and files of
// corrections, which come after those the batch has.
type Reopening struct {
	Replay      string
	Corrections []Correction
}

const addReplay = "#replays = list_append(if_not_exists(#replays, :empty), :replays)"

// NoteReplay says that a replay has taken up an applied batch's unreadable objects.
func NoteReplay(b *Batch, replay string) Write {
	return Update(BatchKey(b.ID), "SET "+addReplay, "attribute_exists(#pk)", Values{"empty": []any{}, "replays": []string{replay}})
}

// Reopen freezes a batch that has an outcome again, under another manifest. The outcome goes to the history; of an
// applied or empty one (force) it stays in the record as well. Marks of a failed or blocked batch are redone, because
// its unreadable objects become claimed again.
func Reopen(b *Batch, manifest, now string, more Reopening) []Write {
	values := b.seen()
	values["frozen"], values["manifest"], values["zero"], values["now"], values["no"] = BatchFrozen, manifest, 0, now, false
	values["empty"] = []any{}
	values["past"] = []any{map[string]any{"at": b.UpdatedAt, "state": b.State, "code": b.Code, "reason": b.Reason, "run": b.Run,
		"attempt": b.Attempt, "manifest": b.Manifest, "counts": b.Counts, "replayed_at": now}}
	set := "SET #state = :frozen, #manifest = :manifest, #attempt = :zero, #updated_at = :now, #mirrored = :no, " +
		"#history = list_append(if_not_exists(#history, :empty), :past)"
	if more.Replay != "" {
		values["replays"] = []string{more.Replay}
		set += ", " + addReplay
	}
	if len(more.Corrections) > 0 {
		files := make([]any, len(more.Corrections))
		for i, c := range more.Corrections {
			files[i] = map[string]any{"bucket": c.Bucket, "key": c.Key, "version": c.Version}
		}
		values["files"] = files
		set += ", #corrections = list_append(if_not_exists(#corrections, :empty), :files)"
	}
	remove := " REMOVE #run"
	if b.State == BatchApplied || b.State == BatchEmpty {
		values["on"], values["prior"] = true, b.State
		set += ", #force = :on, #prior_state = :prior"
	} else {
		set += ", #marked = :no, #force = :no"
		remove += ", #code, #reason, #reasons, #counts, #unreadable, #undeclared, #objects_read, #snapshot, #prior_state, #rules_failed, #rules_warned"
	}
	return []Write{Update(BatchKey(b.ID), set+remove, asSeen, values), putOpen(b.Dataset, b.ID)}
}

// SetMarked says that the inbox shows the batch's objects as claimed.
func SetMarked(b *Batch) Write {
	return Update(BatchKey(b.ID), "SET #marked = :yes", "attribute_exists(#pk)", Values{"yes": true})
}

// SetMirrored says that the mirror shows the batch as seen.
func SetMirrored(b *Batch) Write {
	values := b.seen()
	values["yes"] = true
	return Update(BatchKey(b.ID), "SET #mirrored = :yes", asSeen, values)
}

// NoteRepended adds to an applied batch's history that its unreadable objects are pending again.
func NoteRepended(b *Batch, objects int, now string) Write {
	return Update(BatchKey(b.ID), "SET #history = list_append(if_not_exists(#history, :empty), :past)", "attribute_exists(#pk)",
		Values{"empty": []any{}, "past": []any{map[string]any{"at": now, "state": b.State, "repended": objects}}})
}

// OpenBatches returns the ids of open batches by dataset, or of one dataset if it is not empty.
func (t *Table) OpenBatches(ctx context.Context, dataset string) (map[string][]string, error) {
	prefix := ""
	if dataset != "" {
		prefix = dataset + "#"
	}
	open := map[string][]string{}
	err := t.query(ctx, openPK, prefix, func(i Item) (bool, error) {
		d := i.text("dataset")
		open[d] = append(open[d], i.text("batch"))
		return true, nil
	})
	return open, err
}

// BatchesOf calls each for the dataset's batches frozen in [from, to), oldest first, until it returns false.
func (t *Table) BatchesOf(ctx context.Context, dataset, from, to string, each func(*Batch) (bool, error)) error {
	return t.queryDataset(ctx, dataset, from, to, func(i Item) (bool, error) { return each(i.batch()) })
}

// MirrorOf is the batch as Athena shows it.
func MirrorOf(b *Batch, unreadable string) contract.Mirror {
	c := b.Counts
	return contract.Mirror{Batch: b.ID, Dataset: b.Dataset, State: b.State, Code: b.Code, Reason: b.Reason, Run: b.Run,
		Attempt: b.Attempt, Manifest: b.Manifest, FrozenAt: b.FrozenAt, UpdatedAt: b.UpdatedAt, Snapshot: b.Snapshot,
		Objects: b.Objects, ObjectsRead: b.ObjectsRead, Unreadable: unreadable, Read: c["read"], Inserted: c["inserted"],
		Updated: c["updated"], Deleted: c["deleted"], Unchanged: c["unchanged"], Superseded: c["superseded"], Stale: c["stale"],
		Duplicate: c["duplicate"], Quarantined: c["quarantined"], Blocked: c["blocked"], Erased: c["erased"], Absent: b.Absent,
		RulesFailed: b.RulesFailed, RulesWarned: b.RulesWarned}
}
