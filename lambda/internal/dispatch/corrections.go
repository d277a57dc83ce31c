package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/corrections"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// correct opens the batches whose records a file corrects, with the file's present version on their records. The file is
// checked whole before the first of them changes. Each changes in one conditional transaction, and one that has the file
// already is left alone unless its run failed, so a call that is cut short may be repeated.
func (inv *invocation) correct(ctx context.Context, r Request) (*Replayed, error) {
	file, batches, err := inv.checkedCorrections(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := inv.keepManifest(ctx); err != nil {
		return nil, err
	}
	done := &Replayed{Batches: []ReplayedBatch{}, Repended: []RependedObject{}, Kept: []KeptBatch{}}
	for _, b := range batches {
		if inv.short() {
			break
		}
		switch state, _, _ := b.Ended(); {
		case !slices.Contains(b.Corrections, file):
			err = inv.reopen(ctx, b, done, ledger.Reopening{Corrections: []ledger.Correction{file}})
		case b.Open():
			done.keep(b, "it has these corrections already and is going to run")
		case state == ledger.BatchApplied || state == ledger.BatchEmpty:
			done.keep(b, "it has these corrections already; the table corrections says what became of them")
		default: // its run with them was blocked or failed
			err = inv.reopen(ctx, b, done, ledger.Reopening{})
		}
		if err != nil {
			return nil, fmt.Errorf("replay batch %s: %w", b.ID, err)
		}
	}
	return done, nil
}

// checkedCorrections is what a request for corrections names.
func (inv *invocation) checkedCorrections(ctx context.Context, r Request) (ledger.Correction, []*ledger.Batch, error) {
	if r != (Request{Action: r.Action, Corrections: r.Corrections}) {
		return ledger.Correction{}, nil, refuse(errors.New("replay request: corrections: the file names the batches;" +
			" leave batch, dataset, from, to, state and force out"))
	}
	file, batches, err := inv.corrected(ctx, r.Corrections)
	if err != nil {
		return file, nil, fmt.Errorf("replay request: corrections: %w", err)
	}
	return file, batches, nil
}

// corrected reads and checks a file of corrections. It returns the batches that it names, by id. What is wrong with the
// file is a refused request, unlike what a service has failed to do.
func (inv *invocation) corrected(ctx context.Context, key string) (ledger.Correction, []*ledger.Batch, error) {
	file := ledger.Correction{Bucket: inv.RawBucket, Key: key}
	dataset, err := corrections.DatasetOf(key)
	if err != nil {
		return file, nil, refuse(err)
	}
	entry, ok := inv.manifest.Dataset(dataset)
	if !ok {
		return file, nil, refuse(fmt.Errorf("%s: the manifest declares no dataset %s; declared are %s", key, dataset, listing(inv.manifest.IDs())))
	}
	body, version, err := inv.readCorrections(ctx, key)
	if err != nil {
		return file, nil, err
	}
	file.Version = version
	lines, err := corrections.Parse(body, entry)
	if err != nil {
		return file, nil, refuse(fmt.Errorf("%s:\n%w", key, err))
	}
	byBatch := map[string][]corrections.Correction{}
	for _, c := range lines {
		byBatch[c.Batch] = append(byBatch[c.Batch], c)
	}
	var batches []*ledger.Batch
	var problems []error
	for _, id := range slices.Sorted(maps.Keys(byBatch)) {
		if inv.short() {
			return file, nil, refuse(fmt.Errorf("%s: names more batches than can be looked at in five minutes: split it", key))
		}
		b, err := inv.correctable(ctx, id, dataset, file, byBatch[id])
		var refused *refusedRequest
		if err != nil && !errors.As(err, &refused) {
			return file, nil, err
		}
		if err != nil {
			problems = append(problems, err)
		}
		batches = append(batches, b)
	}
	if len(problems) > 0 {
		return file, nil, refuse(fmt.Errorf("%s:\n%w", key, errors.Join(problems...)))
	}
	return file, batches, nil
}

func (inv *invocation) readCorrections(ctx context.Context, key string) ([]byte, string, error) {
	out, err := inv.Raw.GetObject(ctx, &s3.GetObjectInput{Bucket: &inv.RawBucket, Key: &key})
	var api smithy.APIError
	// S3 answers 403 of a file that is not there, as dispatch may not list the bucket.
	if errors.As(err, &api) && slices.Contains([]string{"NoSuchKey", "AccessDenied"}, api.ErrorCode()) {
		return nil, "", refuse(fmt.Errorf("no file s3://%s/%s has landed, or it may not be read: %w", inv.RawBucket, key, err))
	}
	if err != nil {
		return nil, "", fmt.Errorf("read s3://%s/%s: %w", inv.RawBucket, key, err)
	}
	body, err := io.ReadAll(io.LimitReader(out.Body, contract.MaxCorrectionBytes+1))
	if err := errors.Join(err, out.Body.Close()); err != nil {
		return nil, "", fmt.Errorf("read s3://%s/%s: %w", inv.RawBucket, key, err)
	}
	if len(body) > contract.MaxCorrectionBytes {
		return nil, "", refuse(fmt.Errorf("%s: is larger than %d bytes: split it", key, contract.MaxCorrectionBytes))
	}
	if version := aws.ToString(out.VersionId); version != "" && version != "null" {
		return body, version, nil
	}
	return nil, "", refuse(fmt.Errorf("%s: has no version; the raw bucket has to keep versions, so that a batch finds what it was corrected with", key))
}

// correctable reads a batch and checks that the file may correct its records.
func (inv *invocation) correctable(ctx context.Context, id, dataset string, file ledger.Correction, lines []corrections.Correction) (*ledger.Batch, error) {
	first := lines[0].Line
	b, err := inv.Ledger.Batch(ctx, id)
	if ledger.IsNotFound(err) {
		return nil, refuse(fmt.Errorf("line %d: batch_id: no batch %s in the ledger", first, id))
	}
	if err != nil {
		return nil, err
	}
	has := slices.Contains(b.Corrections, file)
	switch {
	case b.Dataset != dataset:
		return nil, refuse(fmt.Errorf("line %d: batch_id: %s is a batch of %s; its corrections lie below %s%s/", first, id, b.Dataset,
			contract.CorrectionsFolder, strings.Replace(b.Dataset, ".", "/", 1)))
	case b.Open() && !has:
		return nil, refuse(fmt.Errorf("line %d: batch_id: %s has no outcome yet; replay the file once it has", first, id))
	case len(b.Corrections) >= contract.MaxCorrectionFiles && !has:
		return nil, refuse(fmt.Errorf("line %d: batch_id: %s has %d files of corrections, which is the most it may have", first, id, len(b.Corrections)))
	}
	list, err := inv.Artifacts.BatchList(ctx, id)
	if err != nil {
		return nil, err
	}
	objects := map[contract.ObjectID]bool{}
	for _, o := range list.Objects {
		objects[contract.ObjectID{Key: o.Key, Version: o.Version}] = true
	}
	var problems []error
	for _, c := range lines {
		if !objects[contract.ObjectID{Key: c.Key, Version: c.Version}] {
			problems = append(problems, fmt.Errorf("line %d: object_key, object_version: batch %s lists no version %s of %s", c.Line, id, c.Version, c.Key))
		}
	}
	return b, refuse(errors.Join(problems...))
}
