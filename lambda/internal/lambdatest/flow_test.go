package lambdatest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/dispatch"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/record"
)

func orders(names ...string) []string {
	for i, n := range names {
		names[i] = "files/sales/orders/" + n
	}
	return names
}

func asSet(keys []string) map[string]string {
	set := map[string]string{}
	for _, k := range keys {
		set[k] = ""
	}
	return set
}

func TestObjectsBecomeOneRun(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	p := newPipeline(w)
	keys := append(orders("a.csv", "b c+d (ä).csv", "c.csv", "d.csv"), "files/sales/items/x.csv")
	w.land(keys...)
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || len(answer.Runs[0].Batches) != 3 || len(answer.Runs[0].Datasets) != 2 {
		t.Fatalf("runs = %+v, want one of two batches of orders (3 + 1 objects) and one of items", answer.Runs)
	}
	if again := w.ask(`{"action": "drain"}`); len(again.Runs) != 0 {
		t.Errorf("a second drain started %+v", again.Runs)
	}
	name := answer.Runs[0].Run
	var list contract.RunList
	w.readJSON("runs/"+name+".json", &list)
	if list.Manifest != w.hash || len(list.Batches) != 3 || list.Batches[0].Token != 1 {
		t.Errorf("run list = %+v", list)
	}
	var kept map[string]any
	w.readJSON("manifests/"+w.hash+".json", &kept)
	p.execute(name, alive)
	p.quiet()
	p.settled(asSet(keys))
	if n := len(w.machine.started); n != 1 {
		t.Errorf("%d executions, want 1", n)
	}
	var mirror contract.Mirror
	w.readJSON("ledger/batches/"+list.Batches[0].Batch+".json", &mirror)
	if mirror.State != "applied" || mirror.Read == 0 || mirror.Run != name {
		t.Errorf("mirror = %+v", mirror)
	}
	if len(w.topic.messages) != 0 {
		t.Errorf("people were told of a run without trouble: %s", aws.ToString(w.topic.messages[0].Message))
	}
}

func (w *world) readJSON(key string, into any) {
	w.t.Helper()
	out, err := objects.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: &w.bucket, Key: &key})
	must(w.t, err)
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	must(w.t, err)
	if err := json.Unmarshal(body, into); err != nil {
		w.t.Fatalf("%s: %v in %s", key, err, body)
	}
}

func TestRedeliveredEventsChangeNothing(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	keys := orders("a.csv", "b.csv", "bad.csv")
	w.land(append(keys, "elsewhere/x.csv", "files/sales/orders/_SUCCESS")...)
	w.ask(`{"action": "drain"}`)
	p.quiet()
	before := w.dump()
	metrics := w.emitted.String()
	w.land(append(keys, "elsewhere/x.csv", "files/sales/orders/_SUCCESS")...)
	if answer := w.ask(`{"action": "drain"}`); len(answer.Runs) != 0 {
		t.Errorf("redelivered events started %+v", answer.Runs)
	}
	// Only the tokens of leases that were taken and given back may differ, and here not even those.
	if after := w.dump(); after != before {
		t.Errorf("redelivered events changed the ledger:\n%s\n%s", before, after)
	}
	if w.emitted.String() != metrics {
		t.Errorf("redelivered events were counted again: %s", w.emitted.String()[len(metrics):])
	}
	for name, want := range map[string]string{"unroutable": "elsewhere/x.csv", "ignored": "files/sales/orders/_SUCCESS"} {
		o, err := w.table.Object(t.Context(), "!"+name, contract.ObjectHash(want, "v1"))
		if err != nil || o.State != name {
			t.Errorf("%s = %+v, %v", want, o, err)
		}
	}
	if strings.Count(metrics, `"UnroutableObjects":1`) != 1 {
		t.Errorf("metrics = %s", metrics)
	}
}

func TestUnroutableObjectIsClaimedOnceDeclared(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land("files/sales/returns/a.csv")
	w.declare("sales.orders", "sales.returns")
	w.land("files/sales/returns/a.csv")
	if _, err := w.table.Object(t.Context(), ledger.Unroutable, contract.ObjectHash("files/sales/returns/a.csv", "v1")); !ledger.IsNotFound(err) {
		t.Errorf("it is still unroutable: %v", err)
	}
	w.ask(`{"action": "drain"}`)
	p.quiet()
	p.settled(asSet([]string{"files/sales/returns/a.csv"}))
}

func TestTroubleIsToldOnceAndReplayed(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	w.limits.BatchObjects = 2
	p := newPipeline(w)
	keys := append(orders("a.csv", "bad1.csv", "bad2.csv", "bad3.csv"), "files/sales/items/block.csv")
	w.land(keys...)
	name := w.ask(`{"action": "drain"}`).Runs[0].Run
	must(t, p.refine(t.Context(), &gate{}, name))
	for range 2 {
		answer, err := w.tell(&gate{}, contract.ActionRefined, name)
		must(t, err)
		if answer != (record.Refined{Publish: true, Applied: 1, Failed: 1, Blocked: 1}) {
			t.Errorf("refined = %+v", answer)
		}
	}
	must(t, p.publish(&gate{}))
	for range 2 {
		_, err := w.tell(&gate{}, contract.ActionFinish, name)
		must(t, err)
	}
	w.machine.executions[name].status = sfntypes.ExecutionStatusSucceeded
	if len(w.topic.messages) != 1 {
		t.Fatalf("%d messages, want 1", len(w.topic.messages))
	}
	message := aws.ToString(w.topic.messages[0].Message)
	for _, want := range []string{lakeName, name, "sales.items", "Code: gate", "Code: unreadable", "files/sales/orders/bad1.csv",
		"aws sqs send-message", `"action":"replay"`} {
		if !strings.Contains(message, want) {
			t.Errorf("message lacks %q:\n%s", want, message)
		}
	}
	for _, want := range []string{`"FailedBatches":1`, `"BlockedBatches":1`, `"UnreadableObjects":2`} {
		if strings.Count(w.emitted.String(), want) != 1 {
			t.Errorf("metrics lack one %s:\n%s", want, w.emitted)
		}
	}
	p.mended = true
	replayed := w.ask(`{"action": "replay", "from": "2026-01-01", "to": "2027-01-01"}`)
	if len(replayed.Batches) != 2 || len(replayed.Repended) != 1 || len(replayed.Runs) != 1 {
		t.Errorf("replay = %+v %+v", replayed.Replayed, replayed.Runs)
	}
	p.quiet()
	for _, b := range replayed.Runs[0].Batches {
		got, err := w.table.Batch(t.Context(), b)
		if err != nil || got.State != ledger.BatchApplied || got.Attempt != 1 || got.Code != "" {
			t.Errorf("replayed batch = %+v, %v", got, err)
		}
	}
}

// A replay body on the wake queue is what the message to people tells them to send.
func TestReplayByQueue(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("bad.csv")...)
	w.ask(`{"action": "drain"}`)
	p.quiet()
	_, body, _ := strings.Cut(aws.ToString(w.topic.messages[0].Message), "--message-body '")
	body, _, _ = strings.Cut(body, "'")
	event, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: body}, {MessageId: "2", Body: body}}})
	must(t, err)
	p.mended = true
	_, err = w.dispatch(&gate{}).Handle(t.Context(), event)
	must(t, err)
	p.quiet()
	p.settled(asSet(orders("bad.csv")))
	if len(p.applied) != 1 || len(w.machine.started) != 2 {
		t.Errorf("applied %v, started %v", p.applied, w.machine.started)
	}
}

func TestForcedRerunKeepsTheOutcome(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("a.csv", "bad.csv")...)
	batch := w.ask(`{"action": "drain"}`).Runs[0].Batches[0]
	p.quiet()
	before, err := w.table.Batch(t.Context(), batch)
	must(t, err)
	if kept := w.ask(`{"action": "replay", "dataset": "sales.orders", "state": "empty"}`); len(kept.Batches)+len(kept.Repended) != 0 {
		t.Errorf("replay of empty batches did %+v", kept.Replayed)
	}
	answer := w.ask(`{"action": "replay", "state": "applied", "force": true}`)
	if len(answer.Batches) != 1 || len(answer.Runs) != 1 {
		t.Fatalf("forced replay = %+v %+v", answer.Replayed, answer.Runs)
	}
	if !strings.HasSuffix(answer.Runs[0].Run, "-2") {
		t.Errorf("run = %s, want a second attempt", answer.Runs[0].Run)
	}
	published := p.published
	p.quiet()
	after, err := w.table.Batch(t.Context(), batch)
	must(t, err)
	if after.State != ledger.BatchApplied || after.Counts["read"] != before.Counts["read"] || after.Rerun == nil || after.Force {
		t.Errorf("after a forced rerun: %+v", after)
	}
	if len(p.published) != len(published) || strings.Count(w.emitted.String(), "UnreadableObjects\":1") != 1 {
		t.Errorf("a forced rerun without changes published or counted: %s", w.emitted)
	}
	p.settled(asSet(orders("a.csv", "bad.csv")))
}

func TestReplayRequestsAreChecked(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	tests := []struct {
		give string
		want []string
	}{
		{`{"action": "replay"}`, []string{"at least one of batch, dataset, from, to, state"}},
		{`{"action": "replay", "batch": "xyz", "state": "done"}`, []string{`batch: got "xyz"`, `state: got "done", want one of blocked, failed, applied, empty`}},
		{`{"action": "replay", "dataset": "sales.order"}`, []string{`dataset: got "sales.order", declared are sales.items, sales.orders`}},
		{`{"action": "replay", "from": "yesterday", "to": "2026-13-01"}`, []string{`from: got "yesterday"`, `to: got "2026-13-01"`, "2026-01-31T06:00:00Z"}},
		{`{"action": "replay", "from": "2026-02-01", "to": "2026-01-01"}`, []string{"want a time after from"}},
		{`{"action": "replay", "batches": "x"}`, []string{`unknown field "batches"`, `"dataset"?`}},
		{`{"action": "drain", "force": true}`, []string{"drain takes no other field"}},
		{`{"action": "replay", "batch": "00112233445566778899aabbccddeeff"}`, []string{"no batch 00112233445566778899aabbccddeeff"}},
		{`{"action": "run"}`, []string{`action: got "run"`}},
		{`[1]`, []string{"cannot unmarshal array"}},
	}
	for _, tt := range tests {
		_, err := w.dispatch(&gate{}).Handle(t.Context(), json.RawMessage(tt.give))
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v lacks %q", tt.give, err, want)
			}
		}
	}
}

func TestAbortedExecutionIsRecorded(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("a.csv", "b.csv")...)
	name := w.ask(`{"action": "drain"}`).Runs[0].Run
	w.machine.executions[name].status = sfntypes.ExecutionStatusAborted
	fixture, err := os.ReadFile("testdata/execution_aborted.json")
	must(t, err)
	event := strings.ReplaceAll(string(fixture), "NAME", name)
	for range 2 {
		_, err := w.record(&gate{}).Handle(t.Context(), json.RawMessage(event))
		must(t, err)
	}
	if len(w.topic.messages) != 1 || len(w.wakes.messages) == 0 {
		t.Errorf("%d messages and %d wakes, want one and some", len(w.topic.messages), len(w.wakes.messages))
	}
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || !strings.HasSuffix(answer.Runs[0].Run, "-2") {
		t.Errorf("after the abort: %+v", answer)
	}
	foreign := strings.ReplaceAll(string(fixture), "NAME", "by-hand")
	if out, err := w.record(&gate{}).Handle(t.Context(), json.RawMessage(foreign)); err != nil || out.(record.Ended).Ignored == "" {
		t.Errorf("foreign execution: %+v, %v", out, err)
	}
	p.quiet()
	p.settled(asSet(orders("a.csv", "b.csv")))
}

// A job that cannot start uses attempts up as well; a poison batch shares its later runs with nobody.
func TestAttemptsRunOut(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	p := newPipeline(w)
	w.land(append(orders("a.csv"), "files/sales/items/x.csv")...)
	sizes := []int{}
	for range 2 * maxAttempts {
		for _, r := range w.ask(`{"action": "drain"}`).Runs {
			sizes = append(sizes, len(r.Batches))
			_, err := w.tell(&gate{}, contract.ActionFail, r.Run)
			must(t, err)
			w.machine.executions[r.Run].status = sfntypes.ExecutionStatusFailed
		}
	}
	if got := fmt.Sprint(sizes); got != "[2 1 1 1 1]" {
		t.Errorf("batches per run = %s, want the shared run and then each alone", got)
	}
	if strings.Count(w.emitted.String(), `"FailedBatches":1`) != 2 {
		t.Errorf("metrics = %s", w.emitted)
	}
	p.quiet()
	last := aws.ToString(w.topic.messages[len(w.topic.messages)-1].Message)
	if !strings.Contains(last, "Code: exhausted") || !strings.Contains(last, "out of memory") {
		t.Errorf("message:\n%s", last)
	}
	answer := w.ask(`{"action": "replay", "state": "failed"}`)
	if len(answer.Batches) != 2 || len(answer.Runs) != 1 {
		t.Errorf("replay = %+v %+v", answer.Replayed, answer.Runs)
	}
	p.quiet()
	p.settled(asSet(append(orders("a.csv"), "files/sales/items/x.csv")))
}

// Curated tables are published even if the run that changed their inputs died in between.
func TestPublishIsMadeUpFor(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("a.csv")...)
	name := w.ask(`{"action": "drain"}`).Runs[0].Run
	p.execute(name, func(step string) *gate {
		if step == "publish" {
			return &gate{killAt: 1}
		}
		return &gate{}
	})
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || len(answer.Runs[0].Batches) != 0 {
		t.Fatalf("after a failed publish: %+v, want a run without batches", answer)
	}
	p.quiet()
	p.settled(asSet(orders("a.csv")))
	if again := w.ask(`{"action": "sweep"}`); len(again.Runs) != 0 {
		t.Errorf("published, but started %+v", again.Runs)
	}
	if forced := w.ask(`{"action": "publish"}`); len(forced.Runs) != 1 {
		t.Errorf("publish started %+v", forced.Runs)
	}
	for range 2 * maxAttempts {
		for _, name := range w.machine.running() {
			p.execute(name, func(step string) *gate {
				if step == "publish" {
					return &gate{killAt: 1}
				}
				return &gate{}
			})
		}
		w.ask(`{"action": "sweep"}`)
	}
	if n := len(w.machine.started); n != 2+maxAttempts {
		t.Errorf("%d executions: a publish that always fails is to be tried %d times", n, maxAttempts)
	}
}

func TestExecutionNameOfAnotherInput(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("a.csv")...)
	id := contract.RunID([]string{contract.BatchID(lakeName, "sales.orders", []contract.ObjectID{{Key: orders("a.csv")[0], Version: "v1"}})})
	w.machine.executions[id+"-1"] = &execution{name: id + "-1", input: "{}", status: sfntypes.ExecutionStatusSucceeded}
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || answer.Runs[0].Run != id+"-2" {
		t.Errorf("runs = %+v, want %s-2", answer.Runs, id)
	}
	p.quiet()
	p.settled(asSet(orders("a.csv")))
}

// An expired lease does not pass on while its run is executing, and does once the execution has ended.
func TestExpiredLease(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("a.csv")...)
	first := w.ask(`{"action": "drain"}`).Runs[0].Run
	w.clock = w.clock.Add(2 * lease)
	w.land(orders("b.csv")...)
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 0 || len(answer.Skipped) != 1 || !strings.Contains(answer.Skipped[0].Reason, "still executing") {
		t.Fatalf("while it executes: %+v", answer)
	}
	w.machine.executions[first].status = sfntypes.ExecutionStatusTimedOut
	answer = w.ask(`{"action": "drain"}`)
	if len(answer.Ended) != 1 || answer.Ended[0].State != ledger.RunTimedOut || len(answer.Runs) != 1 {
		t.Fatalf("after it ended: %+v", answer)
	}
	before := len(p.applied)
	must(t, p.refine(t.Context(), &gate{}, first))
	if len(p.applied) != before {
		t.Error("the dead run's late commit was taken")
	}
	p.quiet()
	p.settled(asSet(orders("a.csv", "b.csv")))
}

// While one invocation finds out that a lease's holder has ended, another settles it and starts the next run: the first
// must not take the lease from that.
func TestLeaseTakenWhileItsHolderIsSettled(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("a.csv")...)
	first := w.ask(`{"action": "drain"}`).Runs[0].Run
	w.clock = w.clock.Add(2 * lease)
	w.machine.executions[first].status = sfntypes.ExecutionStatusAborted
	var other *dispatch.Answer
	w.machine.described = func() {
		w.machine.described = nil
		other = w.ask(`{"action": "drain"}`)
	}
	answer := w.ask(`{"action": "drain"}`)
	if len(other.Runs) != 1 || len(answer.Runs) != 0 || len(answer.Skipped) != 1 || !strings.Contains(answer.Skipped[0].Reason, "has just taken") {
		t.Errorf("the other invocation: %+v, this one: %+v", other, answer)
	}
	if problem := w.always(map[string]string{}); problem != "" {
		t.Error(problem)
	}
	p.quiet()
	p.settled(asSet(orders("a.csv")))
}
