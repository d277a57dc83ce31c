package lambdatest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/dispatch"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

const replayStart = "2026-03-01T08:00:00Z"

// carry sends dispatch an event of the replay's state machine.
func (w *world) carry(g *gate, action, replay, request string) (*dispatch.Progress, error) {
	body := fmt.Sprintf(`{"action": %q, "replay": %q, "started_at": %q`, action, replay, replayStart)
	if request != "" {
		body += `, "request": ` + request
	}
	answer, err := w.dispatch(g).Handle(w.t.Context(), json.RawMessage(body+"}"))
	if err != nil {
		return nil, err
	}
	return answer.(*dispatch.Progress), nil
}

// replayed carries a replay to its end, as its state machine does. Between two looks the runs come to their ends.
func (p *pipeline) replayed(replay, request string) *dispatch.Progress {
	p.t.Helper()
	answer, err := p.carry(&gate{}, contract.ActionBegin, replay, request)
	must(p.t, err)
	for range 10 {
		if answer.State == contract.ReplaySucceeded || answer.State == contract.ReplayFailed {
			return answer
		}
		answer, err = p.carry(&gate{}, contract.ActionAdvance, replay, "")
		must(p.t, err)
		p.quiet()
	}
	p.t.Fatalf("replay %s has not ended: %+v", replay, answer)
	return nil
}

func same(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestReplayIsCarriedToItsEnd(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	w.limits.BatchObjects = 2
	p := newPipeline(w)
	w.land(append(orders("a.csv", "bad1.csv", "bad2.csv", "bad3.csv"), "files/sales/items/block.csv")...)
	w.ask(`{"action": "drain"}`)
	p.quiet()
	request := `{"from": "2026-01-01", "to": "2027-01-01"}`

	still := p.replayed("still-bad", request)
	if still.State != contract.ReplayFailed || !strings.Contains(still.Cause, "is blocked (gate): 40% of 10 rows quarantined") ||
		!strings.Contains(still.Cause, "3 failed:\n") || !strings.Contains(still.Cause, "bad1.csv of sales.orders is unreadable again") {
		t.Errorf("replay of what is still bad = %+v", still)
	}
	p.mended = true
	done := p.replayed("mended", request)
	if done.State != contract.ReplaySucceeded || done.Cause != "" {
		t.Errorf("replay of what is mended = %+v", done)
	}
	same(t, "batches", done.Batches, map[string]int{"applied": 2 + len(done.Objects)})
	nothing := p.replayed("nothing", `{"action": "replay", "state": "failed"}`)
	if nothing.State != contract.ReplaySucceeded || len(nothing.Batches) > 0 {
		t.Errorf("replay of nothing = %+v", nothing)
	}
	before := len(w.machine.started)
	if again := p.replayed("mended", request); again.State != contract.ReplaySucceeded || len(w.machine.started) != before {
		t.Errorf("the same replay again = %+v, runs %v", again, w.machine.started[before:])
	}
	forced := p.replayed("forced", `{"dataset": "sales.items", "force": true}`)
	same(t, "forced batches", forced.Batches, map[string]int{"applied": 1})
	if len(w.machine.started) != before+1 {
		t.Errorf("a forced replay started %v", w.machine.started[before:])
	}
}

// Killed at any call, a replay that is carried on ends in the same, and runs nothing twice.
func TestReplayIsCarriedOnAfterKills(t *testing.T) {
	w, p, applied, blocked := twoBatches(t)
	p.mended = true
	replays := 0
	draw := newDraw(t, 4)
	for _, after := range draw.sides() {
		for at := 1; ; at = draw.next(at) {
			replays++
			name, request := fmt.Sprintf("killed-%d", replays), `{"dataset": "sales.orders", "force": true}`
			g := &gate{killAt: at, after: after}
			_, err := w.carry(g, contract.ActionBegin, name, request)
			if err == nil {
				_, err = w.carry(g, contract.ActionAdvance, name, "")
			}
			answer := p.replayed(name, request)
			same(t, fmt.Sprintf("killed at %d (after: %v): batches", at, after), answer.Batches, map[string]int{"applied": 2})
			for _, id := range []string{applied, blocked} {
				b, readErr := w.table.Batch(t.Context(), id)
				must(t, readErr)
				if b.State != ledger.BatchApplied || !slices.Contains(b.Replays, name) || len(w.historyOf(id)) != replays {
					t.Fatalf("killed at %d (after: %v): batch %+v", at, after, b)
				}
			}
			if err == nil {
				break
			}
		}
	}
}

// Two replays of the same batches run them once each, whichever looks first.
func TestReplaysOfTheSameBatchesTakeTurns(t *testing.T) {
	w, p, applied, blocked := twoBatches(t)
	p.mended = true
	force := `{"dataset": "sales.orders", "force": true}`
	step := func(action, replay, request, want string) {
		t.Helper()
		if got, err := w.carry(&gate{}, action, replay, request); err != nil || got.State != want {
			t.Fatalf("%s of %s = %+v, %v; want %s", action, replay, got, err, want)
		}
	}
	step(contract.ActionBegin, "one", force, contract.ReplayPlanned)
	step(contract.ActionBegin, "two", force, contract.ReplayPlanned)
	step(contract.ActionBegin, "failed", `{"state": "blocked"}`, contract.ReplayPlanned)
	step(contract.ActionAdvance, "one", "", contract.ReplayRunning)
	step(contract.ActionAdvance, "two", "", contract.ReplayRunning)
	p.quiet()
	step(contract.ActionAdvance, "two", "", contract.ReplayRunning)
	step(contract.ActionAdvance, "one", "", contract.ReplayRunning)
	p.quiet()
	for _, replay := range []string{"one", "two", "one"} {
		step(contract.ActionAdvance, replay, "", contract.ReplaySucceeded)
	}
	if n := len(w.historyOf(applied)); n != 2 {
		t.Errorf("the applied batch was opened %d times, want once for each replay", n)
	}
	if n := len(w.historyOf(blocked)); n != 1 {
		t.Errorf("the blocked batch was opened %d times, want once: the first replay mends it", n)
	}
	if got, err := w.carry(&gate{}, contract.ActionAdvance, "failed", ""); err != nil || got.State != contract.ReplaySucceeded || got.Kept != 1 {
		t.Errorf("a replay of what was mended meanwhile = %+v, %v", got, err)
	}
}

// A batch that somebody else runs between begin and advance gets its corrections all the same.
func TestCorrectionsWaitForARun(t *testing.T) {
	w, p, applied, _ := twoBatches(t)
	version := w.putRaw(fixKey, fix(applied, orders("a.csv")[0]))
	_, err := w.carry(&gate{}, contract.ActionBegin, "fixed", fmt.Sprintf(`{"corrections": %q}`, fixKey))
	must(t, err)
	w.ask(fmt.Sprintf(`{"action": "replay", "batch": %q, "force": true}`, applied))
	if got, err := w.carry(&gate{}, contract.ActionAdvance, "fixed", ""); err != nil || got.State != contract.ReplayRunning || got.Wait != 30 {
		t.Fatalf("advance = %+v, %v", got, err)
	}
	p.quiet()
	_, err = w.carry(&gate{}, contract.ActionAdvance, "fixed", "")
	must(t, err)
	b, err := w.table.Batch(t.Context(), applied)
	must(t, err)
	if len(b.Corrections) != 1 || b.Corrections[0].Version != version || !b.Open() {
		t.Errorf("batch %+v", b)
	}
}

// historyOf are the outcomes of a batch that replays have put aside.
func (w *world) historyOf(batch string) []types.AttributeValue {
	w.t.Helper()
	key := ledger.BatchKey(batch)
	out, err := dynamo.GetItem(w.t.Context(), &dynamodb.GetItemInput{TableName: &w.table.Name, Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: key.PK}, "sk": &types.AttributeValueMemberS{Value: key.SK}}})
	must(w.t, err)
	return out.Item["history"].(*types.AttributeValueMemberL).Value
}

func TestReplayTellsWhatBecameOfCorrections(t *testing.T) {
	w, p, applied, blocked := twoBatches(t)
	version := w.putRaw(fixKey, fix(applied, orders("a.csv")[0]), fix(blocked, orders("block.csv")[0]))
	store := &artifacts.Store{Client: gatedS3{&gate{}}, Bucket: w.bucket}
	row := `{"correction_key":%q,"correction_version":%q,"correction_line":%d,"outcome":%q,"reason":%q}` + "\n"
	must(t, store.Create(t.Context(), contract.CorrectionsKey(applied), fmt.Appendf(nil, row+row, fixKey, version, 1, "inserted", "", fixKey, "other", 1, "refused", "")))
	must(t, store.Create(t.Context(), contract.CorrectionsKey(blocked), fmt.Appendf(nil, row, fixKey, version, 2, "refused", "no such record")))
	p.mended = true
	done := p.replayed("fixed", fmt.Sprintf(`{"corrections": %q}`, fixKey))
	same(t, "corrections", done.Corrections, map[string]int{"inserted": 1, "refused": 1})
	if done.State != contract.ReplayFailed || done.Cause != "1 failed:\nthe correction in line 2 is refused: no such record" {
		t.Errorf("replay = %+v", done)
	}
	for _, id := range []string{applied, blocked} {
		b, err := w.table.Batch(t.Context(), id)
		must(t, err)
		if len(b.Corrections) != 1 || b.Corrections[0].Version != version {
			t.Errorf("batch %s has %v", id, b.Corrections)
		}
	}
	if again := p.replayed("fixed-again", fmt.Sprintf(`{"corrections": %q}`, fixKey)); again.Batches["applied"] != 2 {
		t.Errorf("the same file again = %+v", again)
	}
}

func TestReplayTellsThatACorrectedBatchFailed(t *testing.T) {
	w := newWorld(t, "sales.orders")
	w.keepVersions()
	p := newPipeline(w)
	w.land(orders("bad.csv")...)
	batch := w.ask(`{"action": "drain"}`).Runs[0].Batches[0]
	p.quiet()
	w.putRaw(fixKey, fix(batch, orders("bad.csv")[0]))
	done := p.replayed("failing", fmt.Sprintf(`{"corrections": %q}`, fixKey))
	if done.State != contract.ReplayFailed || !strings.Contains(done.Cause, "is failed (unreadable): none of 1 objects could be read") {
		t.Errorf("replay = %+v", done)
	}
}

func TestCarriedRequestsAreChecked(t *testing.T) {
	w, _, applied, _ := twoBatches(t)
	w.land(orders("open.csv")...)
	open := w.ask(`{"action": "drain"}`).Runs[0].Batches[0]
	for give, want := range map[string]string{
		`{}`:                           "at least one of batch, dataset, from, to, state",
		`[]`:                           "cannot unmarshal array",
		`{"batches": "x"}`:             `unknown field "batches"`,
		`{"action": "drain"}`:          `action: got "drain", want "replay" or nothing`,
		`{"batch": "x", "state": "y"}`: `batch: got "x"`,
		`{"batch": "00112233445566778899aabbccddeeff"}`:                          "no batch 00112233445566778899aabbccddeeff",
		fmt.Sprintf(`{"batch": %q}`, applied):                                    `is applied, so there is nothing to replay; "force": true`,
		fmt.Sprintf(`{"batch": %q}`, open):                                       `is frozen: it has no outcome yet`,
		fmt.Sprintf(`{"batch": %q, "state": "failed"}`, applied):                 `is applied, not failed`,
		`{"state": "failed", "restore": {"tier": "Slow", "days": 0}}`:            `restore.tier: got "Slow", want one of Bulk, Standard, Expedited`,
		`{"state": "failed", "restore": {"tier": "Bulk", "days": 400}}`:          "restore.days: got 400, want 1 to 365",
		`{"corrections": "corrections/sales/orders/none", "dataset": "sales.x"}`: "leave batch, dataset",
	} {
		answer, err := w.carry(&gate{}, contract.ActionBegin, "checked", give)
		if err != nil || answer.State != contract.ReplayFailed || !strings.Contains(answer.Cause, want) {
			t.Errorf("%s: answer %+v, %v; want a cause with %q", give, answer, err, want)
		}
	}
	other, err := w.carry(&gate{}, contract.ActionBegin, "mend.1", `{"state": "failed"}`)
	if err != nil || other.State != contract.ReplayFailed || !strings.Contains(other.Cause, `the execution is named "mend.1": start it under a name of`) {
		t.Errorf("a name that is no key = %+v, %v", other, err)
	}
	_, err = w.carry(&gate{}, contract.ActionBegin, "named", `{"state": "failed"}`)
	must(t, err)
	later := json.RawMessage(`{"action": "begin", "replay": "named", "started_at": "2026-06-01T08:00:00Z", "request": {"state": "failed"}}`)
	answer, err := w.dispatch(&gate{}).Handle(t.Context(), later)
	must(t, err)
	if got := answer.(*dispatch.Progress); got.State != contract.ReplayFailed ||
		got.Cause != "a replay named named was started at "+replayStart+" already: start this one under another name" {
		t.Errorf("a name that is used again = %+v", got)
	}
	if _, err := w.dispatch(&gate{}).Handle(t.Context(), json.RawMessage(`{"action": "replay", "state": "failed", "restore": {}}`)); err == nil {
		t.Error("the command took restore, for which nothing would wait")
	}
}
