package lambdatest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/metrics"
	"github.com/strata-cdk/strata/lambda/internal/reconcile"
	"github.com/strata-cdk/strata/lambda/internal/split"
)

const transactionsFolder = "erp/g1/cdc-transactions/"

// transactions is a lake that takes transaction files of these tables of schema public.
type transactions struct {
	*world
	raw string
}

func newTransactions(t *testing.T, tables ...string) *transactions {
	w := &transactions{world: newWorld(t)}
	w.raw = fmt.Sprintf("raw-%d", worlds)
	_, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &w.raw, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraintEuWest1}})
	mustMake(t, err)
	_, err = objects.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &w.raw,
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	must(t, err)
	w.tables(tables...)
	return w
}

// tables deploys a manifest with a dataset for each table.
func (w *transactions) tables(names ...string) {
	var specs []dataset.Spec
	var landing []dataset.Landing
	generation := 1
	for _, name := range names {
		specs = append(specs, dataset.Spec{Domain: "erp", Name: name, Load: dataset.CDC, Format: dataset.DMS{Transactions: true}, Keys: []string{"id"},
			Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}}})
		landing = append(landing, dataset.Landing{Prefix: "erp/g1/public/" + name + "/", Dataset: "erp." + name, Source: "Erp", Generation: &generation})
	}
	w.deploy(specs, landing)
}

func (w *transactions) split(g *gate) *split.Handler {
	return &split.Handler{Bucket: w.raw, Prefix: "erp/", Manifests: w.manifests(g), Ledger: w.ledger(g), S3: gatedS3{g},
		Metrics: &metrics.Emitter{Out: w.emitted, Lake: lakeName, Now: w.now}, Now: w.now, Reserve: time.Second}
}

// put lands a file and returns the message of its event.
func (w *transactions) put(name, body string) events.SQSMessage {
	w.t.Helper()
	key := transactionsFolder + name
	out, err := objects.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &w.raw, Key: &key, Body: strings.NewReader(body)})
	must(w.t, err)
	m := w.landed(key, aws.ToString(out.VersionId), int64(len(body)))
	m.Body = strings.ReplaceAll(m.Body, rawBucket, w.raw)
	return m
}

// deliver hands messages to split and returns those that are to come again.
func (w *transactions) deliver(g *gate, messages ...events.SQSMessage) []events.SQSBatchItemFailure {
	w.t.Helper()
	event, err := json.Marshal(events.SQSEvent{Records: messages})
	must(w.t, err)
	answer, err := w.split(g).Handle(w.t.Context(), event)
	if err != nil && !g.dead {
		w.t.Fatal(err)
	}
	return answer.(events.SQSEventResponse).BatchItemFailures
}

func (w *transactions) request(body string) (split.Summary, error) {
	w.t.Helper()
	answer, err := w.split(&gate{}).Handle(w.t.Context(), json.RawMessage(body))
	return answer.(split.Summary), err
}

// handed are the records that lie in each table's folder, by the names of their objects, and how many objects there are.
func (w *transactions) handed() (map[string]string, int) {
	w.t.Helper()
	page, err := objects.ListObjectVersions(w.t.Context(), &s3.ListObjectVersionsInput{Bucket: &w.raw, Prefix: aws.String("erp/g1/public/")})
	must(w.t, err)
	found := map[string]string{}
	slices.SortFunc(page.Versions, func(a, b s3types.ObjectVersion) int { return strings.Compare(*a.Key, *b.Key) })
	for _, v := range page.Versions {
		out, err := objects.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: &w.raw, Key: v.Key, VersionId: v.VersionId})
		must(w.t, err)
		body, err := io.ReadAll(out.Body)
		must(w.t, err)
		found[strings.Split(*v.Key, "/")[3]] += string(body)
	}
	return found, len(page.Versions)
}

// states are the states of the transaction files by name, and how many are still pointed at.
func (w *transactions) states() (map[string]ledger.Unsplit, int) {
	w.t.Helper()
	page, err := objects.ListObjectVersions(w.t.Context(), &s3.ListObjectVersionsInput{Bucket: &w.raw, Prefix: aws.String(transactionsFolder)})
	must(w.t, err)
	found, waiting := map[string]ledger.Unsplit{}, 0
	for _, v := range page.Versions {
		file, err := w.table.UnsplitFile(w.t.Context(), *v.Key, *v.VersionId)
		if !ledger.IsNotFound(err) {
			must(w.t, err)
			found[strings.TrimPrefix(*v.Key, transactionsFolder)] = file
		}
	}
	must(w.t, w.table.PendingObjects(w.t.Context(), ledger.Transactions, func(ledger.Pending) (bool, error) { waiting++; return true, nil }))
	return found, waiting
}

const (
	orderRows = "I,orders,public,1,\"a\nb\",1\nU,orders,public,1,\"c\"\"\",2\n"
	itemRow   = "D,items,public,7,\n"
)

func TestTransactionsAreHandedToTheirDatasets(t *testing.T) {
	w := newTransactions(t, "orders", "items")
	message := w.put("CDC_TXN-20261121191500123.csv", orderRows[:26]+itemRow+orderRows[26:])
	for range 2 { // a message may come twice
		if again := w.deliver(&gate{}, message); len(again) > 0 {
			t.Fatalf("to come again: %v", again)
		}
	}
	got, n := w.handed()
	if want := map[string]string{"orders": orderRows, "items": itemRow}; !maps.Equal(got, want) || n != 2 {
		t.Errorf("handed on in %d objects: %q", n, got)
	}
	states, waiting := w.states()
	if f := states["CDC_TXN-20261121191500123.csv"]; f.State != ledger.ObjectSplit || waiting != 0 {
		t.Errorf("the file is %+v; %d wait", f, waiting)
	}
	// What is handed on belongs to the datasets' inboxes, the file itself to none of them.
	o := &outside{perPage: 10}
	summary, err := w.reconciler(o, w.raw).Handle(t.Context(), reconcile.Request{Action: "reconcile"})
	if err != nil || summary != (reconcile.Summary{Listed: 3, Known: 1, Missing: 2, Complete: true}) {
		t.Errorf("reconcile: %+v, %v", summary, err)
	}
	var keys []string
	for _, body := range o.bodies {
		var e contract.ObjectEvent
		must(t, json.Unmarshal([]byte(body), &e))
		keys = append(keys, e.Detail.Object.Key)
	}
	if strings.Contains(strings.Join(keys, " "), "cdc-transactions") || !strings.HasPrefix(keys[0], "erp/g1/public/items/CDC_TXN-20261121191500123-") {
		t.Errorf("events of %q", keys)
	}
}

// A file is handed on in parts whose names tell their bytes, the same in every attempt.
func TestTransactionsInParts(t *testing.T) {
	w := newTransactions(t, "orders")
	var file strings.Builder
	for i := range 5 {
		fmt.Fprintf(&file, "I,orders,public,%d,%s\n", i, strings.Repeat("x", 3<<20))
	}
	message := w.put("CDC_TXN-1.csv", file.String())
	w.deliver(&gate{}, message)
	w.deliver(&gate{}, message)
	got, n := w.handed()
	if n != 3 || got["orders"] != file.String() {
		t.Errorf("%d objects with %d of %d bytes", n, len(got["orders"]), file.Len())
	}
}

// What notice has recorded while split's own message was lost is found by the schedule.
func TestTransactionsAreFoundByTheSchedule(t *testing.T) {
	w := newTransactions(t, "orders")
	message := w.put("CDC_TXN-1.csv", orderRows)
	notice := w.notice(&gate{})
	notice.Bucket = w.raw
	for range 2 {
		answer, err := notice.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{message}})
		if err != nil || len(answer.BatchItemFailures) > 0 {
			t.Fatalf("notice refuses: %v, %v", answer, err)
		}
	}
	if runs := w.ask(`{"action": "drain"}`).Runs; len(runs) != 0 || len(w.wakes.messages) != 0 {
		t.Errorf("a transaction file starts %v, wakes %d times", runs, len(w.wakes.messages))
	}
	if states, waiting := w.states(); states["CDC_TXN-1.csv"].State != ledger.ObjectPending || waiting != 1 {
		t.Errorf("noticed as %v, %d wait", states, waiting)
	}
	for i, want := range []split.Summary{{Split: 1, Records: 2}, {}} {
		if got, err := w.request(`{"action": "split"}`); err != nil || got != want {
			t.Errorf("sweep %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if got, _ := w.handed(); got["orders"] != orderRows {
		t.Errorf("handed on: %q", got)
	}
}

func TestTransactionsOfUndeclaredTables(t *testing.T) {
	w := newTransactions(t, "orders")
	w.deliver(&gate{}, w.put("CDC_TXN-1.csv", orderRows+itemRow+"I,../orders,public,1\n"))
	states, waiting := w.states()
	f := states["CDC_TXN-1.csv"]
	if got, _ := w.handed(); f.State != ledger.ObjectUnroutable || waiting != 1 || got["orders"] != orderRows || len(got) != 1 ||
		!strings.Contains(f.Reason, "the records of public.../orders, public.items;") {
		t.Errorf("%+v, %d wait, handed on %q", f, waiting, got)
	}
	if n := strings.Count(w.emitted.String(), `"UnsplitTransactions":1`); n != 1 {
		t.Errorf("counted %d times: %s", n, w.emitted)
	}
	// The schedule takes it up again once the declaration has changed, and only then.
	if got, err := w.request(`{"action": "split"}`); err != nil || got != (split.Summary{}) {
		t.Errorf("under the same declaration: %+v, %v", got, err)
	}
	w.tables("orders", "items")
	if got, err := w.request(`{"action": "split"}`); err != nil || got != (split.Summary{Records: 3, Unroutable: 1}) {
		t.Errorf("under another: %+v, %v", got, err)
	}
	if got, n := w.handed(); got["items"] != itemRow || got["orders"] != orderRows || n != 2 {
		t.Errorf("handed on in %d objects: %q", n, got)
	}
}

func TestFilesThatAreNoTransactions(t *testing.T) {
	w := newTransactions(t, "orders")
	bad := w.put("CDC_TXN-1.csv", orderRows+"I,orders,public,\"1\n")
	if again := w.deliver(&gate{}, bad, w.put("CDC_TXN-2.csv", orderRows), w.put("_marker", "")); len(again) > 0 {
		t.Errorf("to come again: %v", again)
	}
	states, waiting := w.states()
	got, n := w.handed()
	if f := states["CDC_TXN-1.csv"]; f.State != ledger.ObjectFailed || waiting != 1 || n != 1 || got["orders"] != orderRows || len(states) != 2 ||
		!strings.Contains(f.Reason, "record 3, from byte 52 on, has a quote that is never closed") {
		t.Errorf("%+v; %d wait, %d objects of %q", f, waiting, n, got)
	}
	if got, err := w.request(`{"action": "split"}`); err != nil || got != (split.Summary{}) {
		t.Errorf("the schedule tries what cannot succeed: %+v, %v", got, err)
	}
	version := states["CDC_TXN-1.csv"].Version
	for _, body := range []string{`{"action": "split", "failed": true}`, fmt.Sprintf(`{"action": "split", "key": %q, "version": %q}`, transactionsFolder+"CDC_TXN-1.csv", version)} {
		if got, err := w.request(body); err != nil || got != (split.Summary{Failed: 1}) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	_, err := objects.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &w.raw, Key: aws.String(transactionsFolder + "CDC_TXN-1.csv"), VersionId: &version})
	must(t, err)
	if got, err := w.request(`{"action": "split", "failed": true}`); err != nil || got != (split.Summary{Failed: 1}) {
		t.Errorf("of a version that is gone: %+v, %v", got, err)
	}
	for body, want := range map[string]string{
		`{"action": "go"}`:                                       `want {"action": "split"`,
		`{"action": "split", "key": "erp"}`:                      `want {"action": "split"`,
		`{"action": "split", "key": "crm/g1/a", "version": "1"}`: "allowed: keys below erp/",
		`{"action": "split", "key": "erp/g1/cdc-transactions/CDC_TXN-3.csv", "version": "unknown"}`: "reconcile finds objects",
	} {
		if _, err := w.request(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

// TestKillSplit kills split before and after each of its side effects. The message comes again, or the schedule looks; the
// end is as if nothing had happened.
func TestKillSplit(t *testing.T) {
	points := 0
	for k := 1; ; k++ {
		reached := false
		for _, after := range []bool{false, true} {
			w := newTransactions(t, "orders", "items")
			message := w.put("CDC_TXN-1.csv", orderRows+itemRow)
			g := &gate{killAt: k, after: after}
			again := w.deliver(g, message)
			reached = reached || g.dead
			if g.dead != (len(again) == 1) {
				t.Errorf("killed %v, to come again %v", g.dead, again)
			}
			if k%2 == 0 {
				_, err := w.request(`{"action": "split"}`)
				must(t, err)
			}
			w.deliver(&gate{}, message)
			got, n := w.handed()
			states, waiting := w.states()
			if f := states["CDC_TXN-1.csv"]; !maps.Equal(got, map[string]string{"orders": orderRows, "items": itemRow}) || n != 2 ||
				f.State != ledger.ObjectSplit || waiting != 0 {
				t.Fatalf("killed at call %d, after=%v: %+v, %d wait, %d objects of %q", k, after, f, waiting, n, got)
			}
		}
		if !reached {
			break
		}
		points += 2
	}
	if points < 8 {
		t.Errorf("%d points: arrival, two objects and the end are due", points)
	}
}
