package lambdatest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/record"
)

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
	for _, want := range []string{`"FailedBatches":1`, `"BlockedBatches":1`, `"UnreadableObjects":2`, `"FailedRules":2`, `"WarnedRules":1`} {
		if strings.Count(w.emitted.String(), want) != 1 {
			t.Errorf("metrics lack one %s:\n%s", want, w.emitted)
		}
	}
	p.mended = true
	replayed := w.ask(`{"action": "replay", "from": "2026-01-01", "to": "2027-01-01"}`)
	if len(replayed.Batches) != 2 || len(replayed.Repended) != 1 || len(replayed.Runs) != 1 {
		t.Errorf("replay = %+v %+v", replayed.Replayed, replayed.Runs)
	}
	for _, b := range replayed.Batches {
		if got, err := w.table.Batch(t.Context(), b.Batch); err != nil || got.RulesFailed != 0 || got.RulesWarned != 0 {
			t.Errorf("a batch to be judged anew = %+v, %v", got, err)
		}
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
