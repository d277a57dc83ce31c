package replication

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// file is a version of a file of a full load.
type file struct {
	contract.ObjectID
	role string
}

// loads begins the load of every table, completes those DMS has loaded, and wakes dispatch for those it has not taken up.
func (h *Handler) loads(ctx context.Context, tables []*table) error {
	var problems []error
	waiting := false
	for _, t := range tables {
		fresh, err := h.load(ctx, t)
		if err != nil {
			problems = append(problems, fmt.Errorf("table %s: %w", t.name, err))
		}
		waiting = waiting || fresh || untaken(t.load)
	}
	if waiting {
		problems = append(problems, h.Waker.Wake(ctx))
	}
	return errors.Join(problems...)
}

// untaken tells whether a complete load waits for dispatch. An empty first load never becomes a batch.
func untaken(l ledger.Load) bool {
	return l.State == ledger.LoadComplete && l.Snapshot && l.Batch == "" && (l.Objects > 0 || l.Generation > 1)
}

// load takes a table's load as far as it goes and tells whether it has just been completed.
func (h *Handler) load(ctx context.Context, t *table) (completed bool, err error) {
	if !t.known {
		t.load = ledger.Load{Dataset: t.dataset, Generation: h.Generation, State: ledger.LoadLoading, Replication: h.Config,
			Snapshot: h.Mode != contract.ModeChangesOnly, StartedAt: contract.Time(h.Now())}
		err := h.Ledger.Apply(ctx, ledger.BeginLoad(t.load))
		if ledger.Refused(err) { // another call was faster; the next one sees what it wrote
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("begin the load: %w", err)
		}
		t.known = true
	}
	if t.load.State == ledger.LoadComplete {
		return false, nil
	}
	if !t.load.Snapshot {
		return h.complete(ctx, t, nil, 0)
	}
	if t.stats == nil || aws.ToString(t.stats.TableState) != tableCompleted {
		return false, nil
	}
	files, err := h.files(ctx, t)
	if err != nil {
		return false, err
	}
	return h.complete(ctx, t, files, t.stats.FullLoadRows)
}

// complete records the files of a load and then, in one step, that it is complete.
func (h *Handler) complete(ctx context.Context, t *table, files []file, rows int64) (bool, error) {
	current := 0
	for _, f := range files {
		if f.role == ledger.LoadCurrent {
			current++
		}
	}
	if rows > 0 && current == 0 {
		return false, fmt.Errorf("DMS has loaded %d rows, but there is no file of a full load under s3://%s/%s", rows, h.Bucket, t.prefix)
	}
	if err := h.record(ctx, t, files); err != nil {
		return false, err
	}
	l := t.load
	l.State, l.Objects, l.Rows, l.CompletedAt = ledger.LoadComplete, int64(current), rows, contract.Time(h.Now())
	err := h.Ledger.Apply(ctx, ledger.CompleteLoad(l)...)
	if ledger.Refused(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("complete the load: %w", err)
	}
	t.load = l
	return true, nil
}

// record makes the ledger's list of a load's files what it should be. An earlier call may have left another list behind.
func (h *Handler) record(ctx context.Context, t *table, files []file) error {
	kept, err := h.Ledger.LoadObjects(ctx, t.dataset, h.Generation)
	if err != nil {
		return fmt.Errorf("read the files of the load: %w", err)
	}
	var writes []ledger.Write
	for _, f := range files {
		hash := contract.ObjectHash(f.Key, f.Version)
		if kept[hash] != f.role {
			writes = append(writes, ledger.PutLoadObject(t.dataset, h.Generation, f.ObjectID, f.role))
		}
		delete(kept, hash)
	}
	for hash := range kept {
		writes = append(writes, ledger.DeleteLoadObject(t.dataset, h.Generation, hash))
	}
	const perTransaction = ledger.TransactLimit - 1
	for start := 0; start < len(writes); start += perTransaction {
		chunk := append([]ledger.Write{ledger.CheckLoading(t.dataset, h.Generation)}, writes[start:min(start+perTransaction, len(writes))]...)
		err := h.Ledger.Apply(ctx, chunk...)
		if ledger.Refused(err) { // another call has completed the load: its list stays
			return nil
		}
		if err != nil {
			return fmt.Errorf("record the files of the load: %w", err)
		}
	}
	return nil
}

// loadFile is the base name DMS gives a file of a full load.
var loadFile = regexp.MustCompile(`^LOAD[0-9A-F]{8}(\.|$)`)

// files lists the versions of a table's load files. Current are those that S3 shows and that were written since DMS began
// the load; the others are left of an earlier try, since DMS starts a load anew that it could not end.
func (h *Handler) files(ctx context.Context, t *table) ([]file, error) {
	var began time.Time
	if t.stats.FullLoadStartTime != nil {
		began = *t.stats.FullLoadStartTime
	}
	var files []file
	in := &s3.ListObjectVersionsInput{Bucket: &h.Bucket, Prefix: &t.prefix}
	for {
		out, err := h.S3.ListObjectVersions(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list s3://%s/%s: %w", h.Bucket, t.prefix, err)
		}
		for _, v := range out.Versions {
			if loadFile.MatchString(path.Base(aws.ToString(v.Key))) {
				files = append(files, file{contract.ObjectID{Key: aws.ToString(v.Key), Version: versionOf(v)}, roleOf(v, began)})
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return files, nil
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
	}
}

func roleOf(v s3types.ObjectVersion, began time.Time) string {
	// S3 shows whole seconds.
	if !aws.ToBool(v.IsLatest) || aws.ToTime(v.LastModified).Before(began.Truncate(time.Second)) {
		return ledger.LoadSuperseded
	}
	return ledger.LoadCurrent
}

// versionOf is the version as events name it; objects from before versioning have the version "null" in both.
func versionOf(v s3types.ObjectVersion) string {
	if id := aws.ToString(v.VersionId); id != "" {
		return id
	}
	return "null"
}
