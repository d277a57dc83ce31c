package lambdatest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/dispatch"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

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

// A ledger restored to an earlier time knows nothing of executions whose names its runs would bear: they are no runs of
// its own, however many they are, and use up no attempt of a publish.
func TestExecutionsOfAForgottenLedger(t *testing.T) {
	forgotten := newWorld(t, "sales.orders")
	for range 2 * maxAttempts {
		forgotten.clock = forgotten.clock.Add(time.Minute)
		forgotten.ask(`{"action": "publish"}`)
		newPipeline(forgotten).quiet()
	}
	started := len(forgotten.machine.started)
	if started < 2*maxAttempts {
		t.Fatalf("only %d executions to forget", started)
	}

	w := newWorld(t, "sales.orders")
	for name, x := range forgotten.machine.executions {
		x.input = strings.ReplaceAll(x.input, forgotten.bucket, w.bucket)
		w.machine.executions[name] = x
	}
	w.clock = forgotten.clock.Add(time.Minute)
	answer := w.ask(`{"action": "publish"}`)
	if want := contract.ExecutionName(contract.RunID(nil), started+1); len(answer.Runs) != 1 || answer.Runs[0].Run != want {
		t.Fatalf("runs = %+v, want %s", answer.Runs, want)
	}
	if mark, err := w.table.PublishWanted(t.Context()); err != nil || mark.Attempt != 1 {
		t.Errorf("publish mark = %+v, %v", mark, err)
	}
	newPipeline(w).quiet()
	if mark, err := w.table.PublishWanted(t.Context()); err != nil || mark.N != 0 {
		t.Errorf("publish mark = %+v, %v after the run", mark, err)
	}
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
