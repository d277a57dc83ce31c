package lambdatest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

const fixKey = "corrections/sales/orders/fix.jsonl"

// keepVersions gives the world a raw bucket of its own that exists and keeps versions.
func (w *world) keepVersions() {
	w.t.Helper()
	w.raw = "raw-of-" + w.bucket
	_, err := objects.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: &w.raw, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraintEuWest1}})
	mustMake(w.t, err)
	_, err = objects.PutBucketVersioning(w.t.Context(), &s3.PutBucketVersioningInput{Bucket: &w.raw,
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	must(w.t, err)
}

// putRaw puts an object and returns its version.
func (w *world) putRaw(key string, lines ...string) string {
	w.t.Helper()
	out, err := objects.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &w.raw, Key: &key, Body: strings.NewReader(strings.Join(lines, "\n") + "\n")})
	must(w.t, err)
	return aws.ToString(out.VersionId)
}

// fix is a line that corrects a record of a landed file.
func fix(batch, key string) string {
	return fmt.Sprintf(`{"batch_id": %q, "object_key": %q, "object_version": "v1", "record_sha256": %q, "occurrence": 1, "set": {"id": "7"}}`,
		batch, key, strings.Repeat("ab", 32))
}

// twoBatches is a world with an applied and a blocked batch of orders.
func twoBatches(t *testing.T) (w *world, p *pipeline, applied, blocked string) {
	w = newWorld(t, "sales.orders", "sales.items")
	w.keepVersions()
	p = newPipeline(w)
	w.land(orders("a.csv")...)
	applied = w.ask(`{"action": "drain"}`).Runs[0].Batches[0]
	p.quiet()
	w.land(orders("block.csv")...)
	blocked = w.ask(`{"action": "drain"}`).Runs[0].Batches[0]
	p.quiet()
	return w, p, applied, blocked
}

func TestCorrectionsReopenTheirBatches(t *testing.T) {
	w, p, applied, blocked := twoBatches(t)
	version := w.putRaw(fixKey, fix(applied, orders("a.csv")[0]), "", fix(blocked, orders("block.csv")[0]))
	request := fmt.Sprintf(`{"action": "replay", "corrections": %q}`, fixKey)
	answer := w.ask(request)
	if len(answer.Batches) != 2 || len(answer.Runs) != 1 {
		t.Fatalf("replay = %+v %+v", answer.Replayed, answer.Runs)
	}
	again := w.ask(request)
	if len(again.Batches) != 0 || len(again.Kept) != 2 || !strings.Contains(again.Kept[0].Reason, "is going to run") {
		t.Errorf("the same again, at once = %+v", again.Replayed)
	}
	p.quiet()
	if still := w.ask(request); len(still.Batches) != 1 || still.Batches[0].Batch != blocked {
		t.Errorf("the same again, of a batch that is blocked with them = %+v", still.Replayed)
	}
	p.mended = true
	p.quiet()
	after := w.ask(request)
	if len(after.Batches) != 0 || len(after.Kept) != 2 || !strings.Contains(after.Kept[1].Reason, "table corrections") {
		t.Errorf("the same again, later = %+v", after.Replayed)
	}
	want := ledger.Correction{Bucket: w.raw, Key: fixKey, Version: version}
	for _, id := range []string{applied, blocked} {
		b, err := w.table.Batch(t.Context(), id)
		must(t, err)
		if b.State != ledger.BatchApplied || len(b.Corrections) != 1 || b.Corrections[0] != want {
			t.Errorf("batch %s is %s with %v", id, b.State, b.Corrections)
		}
	}
	next := w.putRaw(fixKey, fix(blocked, orders("block.csv")[0]))
	if got := w.ask(request); len(got.Batches) != 1 || got.Batches[0].Batch != blocked {
		t.Errorf("a new version = %+v", got.Replayed)
	}
	b, err := w.table.Batch(t.Context(), blocked)
	must(t, err)
	if len(b.Corrections) != 2 || b.Corrections[1].Version != next {
		t.Errorf("corrections = %v", b.Corrections)
	}
}

// Killed at every call, the command repeated ends in the same.
func TestCorrectionsAreTakenOnceUnderKills(t *testing.T) {
	w, p, applied, blocked := twoBatches(t)
	p.mended = true
	files := 0
	draw := newDraw(t, 4)
	for _, after := range draw.sides() {
		for at := 1; ; at = draw.next(at) {
			files++
			w.putRaw(fixKey, fix(applied, orders("a.csv")[0]), fix(blocked, orders("block.csv")[0]))
			request := json.RawMessage(fmt.Sprintf(`{"action": "replay", "corrections": %q}`, fixKey))
			g := &gate{killAt: at, after: after}
			_, err := w.dispatch(g).Handle(t.Context(), request)
			_, _ = w.dispatch(&gate{}).Handle(t.Context(), request)
			p.quiet()
			for _, id := range []string{applied, blocked} {
				b, readErr := w.table.Batch(t.Context(), id)
				must(t, readErr)
				if b.State != ledger.BatchApplied || len(b.Corrections) != files {
					t.Fatalf("killed at %d (after: %v): batch %s is %s with %v", at, after, id, b.State, b.Corrections)
				}
			}
			if err == nil {
				break
			}
		}
	}
}

func TestCorrectionsAreCheckedWhole(t *testing.T) {
	w, p, applied, blocked := twoBatches(t)
	w.land("files/sales/items/i.csv")
	other := w.ask(`{"action": "drain"}`).Runs[0].Batches[0]
	p.quiet()
	w.land(orders("open.csv")...)
	open := w.ask(`{"action": "drain"}`).Runs[0].Batches[0]
	good := fix(applied, orders("a.csv")[0])
	missing := strings.Repeat("0", 32)
	tests := []struct {
		lines []string
		want  []string
	}{
		{[]string{""}, []string{"holds no correction", `"record_sha256"`}},
		{[]string{good, "{"}, []string{"line 2: unexpected EOF"}},
		{[]string{good + "{}"}, []string{"line 1: text after the object"}},
		{[]string{good, good}, []string{"line 2: corrects the same record as line 1"}},
		{[]string{strings.Replace(good, `"7"`, `7`, 1)}, []string{`line 1: set.id: got 7, want a string as of CSV, such as "12", or null`}},
		{[]string{strings.Replace(good, `"id"`, `"ids"`, 1)}, []string{"line 1: set.ids: sales.orders declares no such column; its columns are id"}},
		{[]string{strings.Replace(good, `"set"`, `"sets"`, 1)}, []string{`line 1: unknown field "sets"`}},
		{[]string{strings.Replace(good, `"set"`, `"Set"`, 1)}, []string{`line 1: unknown field "Set"`}},
		{[]string{strings.Replace(good, `"7"`, "\"\xff\"", 1)}, []string{"fix.jsonl:\nis not UTF-8"}},
		{[]string{`{}`}, []string{`batch_id: got ""`, "object_key and object_version", `record_sha256: got ""`, "occurrence: got 0", "set: is empty"}},
		{[]string{fix(missing, "x")}, []string{"line 1: batch_id: no batch " + missing}},
		{[]string{fix(other, "x")}, []string{"is a batch of sales.items; its corrections lie below corrections/sales/items/"}},
		{[]string{fix(open, "x")}, []string{open + " has no outcome yet"}},
		{[]string{good, fix(blocked, "elsewhere")}, []string{"line 2: object_key, object_version: batch " + blocked + " lists no version v1 of elsewhere"}},
	}
	for _, tt := range tests {
		w.putRaw(fixKey, tt.lines...)
		_, err := w.dispatch(&gate{}).Handle(t.Context(), json.RawMessage(fmt.Sprintf(`{"action": "replay", "corrections": %q}`, fixKey)))
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: error %v lacks %q", tt.lines, err, want)
			}
		}
		if b, err := w.table.Batch(t.Context(), applied); err != nil || len(b.Corrections) > 0 {
			t.Errorf("%v: took %v, %v", tt.lines, b.Corrections, err)
		}
	}
	for give, want := range map[string]string{
		`{"action": "replay", "corrections": "fix.jsonl"}`:                                   `got "fix.jsonl", want the key of a file in the raw bucket, corrections/<domain>/<dataset>/<name>`,
		`{"action": "replay", "corrections": "corrections/sales/none/x"}`:                    "declares no dataset sales.none; declared are sales.items, sales.orders",
		`{"action": "replay", "corrections": "corrections/sales/orders/gone"}`:               "NoSuchKey",
		`{"action": "replay", "corrections": "corrections/sales/orders/fix", "force": true}`: "leave batch, dataset, from, to, state and force out",
		`{"action": "sweep", "corrections": "corrections/sales/orders/fix"}`:                 "sweep takes no other field",
	} {
		_, err := w.dispatch(&gate{}).Handle(t.Context(), json.RawMessage(give))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v lacks %q", give, err, want)
		}
	}
}

// A key of a CDC dataset is the database's.
func TestCorrectionsOfChangesKeepTheKey(t *testing.T) {
	w := newWorld(t)
	w.keepVersions()
	generation := 1
	w.deploy([]dataset.Spec{{Domain: "sales", Name: "orders", Keys: []string{"id"}, Load: dataset.CDC, Format: dataset.DMS{},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint, Required: true}}}},
		[]dataset.Landing{{Prefix: "erp/g1/public/orders/", Dataset: "sales.orders", Source: "Erp", Generation: &generation}})
	w.putRaw(fixKey, fix(strings.Repeat("0", 32), "x"))
	_, err := w.dispatch(&gate{}).Handle(t.Context(), json.RawMessage(fmt.Sprintf(`{"action": "replay", "corrections": %q}`, fixKey)))
	if err == nil || !strings.Contains(err.Error(), "line 1: set.id: is a key column, and the database's later changes go to the key it has") {
		t.Errorf("error = %v", err)
	}
}
