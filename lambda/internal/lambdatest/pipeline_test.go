package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/record"
	"github.com/strata-cdk/strata/lambda/internal/run"
)

// pipeline stands for the state machine and its jobs: it does to the ledger what the contract says they do.
type pipeline struct {
	*world
	// applied are the batches in cleaned tables, published those that the curated tables show.
	applied, published map[string]bool
	// mended objects can be read although their key says bad.
	mended bool
}

func newPipeline(w *world) *pipeline {
	return &pipeline{world: w, applied: map[string]bool{}, published: map[string]bool{}}
}

// gates gives every caller of an execution its gate, by step.
type gates func(step string) *gate

func alive(string) *gate { return &gate{} }

// execute carries an execution to its end. A step that is killed is tried once more, as the state machine would for
// record, or ends the execution, as it would for a job.
func (p *pipeline) execute(name string, g gates) {
	x := p.machine.executions[name]
	running := func() bool { return x.status == sfntypes.ExecutionStatusRunning }
	err := p.refine(p.t.Context(), g("refine"), name)
	var answer any
	if err == nil && running() {
		answer, err = p.retried(g, contract.ActionRefined, name)
	}
	if err == nil && running() && answer.(record.Refined).Publish {
		err = p.publish(g("publish"))
	}
	if err == nil && running() {
		_, err = p.retried(g, contract.ActionFinish, name)
	}
	if !running() { // aborted: no further state is entered
		return
	}
	if err == nil {
		x.status = sfntypes.ExecutionStatusSucceeded
		return
	}
	_, _ = p.retried(g, contract.ActionFail, name)
	if running() {
		x.status, x.error = sfntypes.ExecutionStatusFailed, "States.TaskFailed"
	}
}

func (p *pipeline) retried(g gates, action, name string) (any, error) {
	answer, err := p.tell(g(action), action, name)
	if err != nil {
		answer, err = p.tell(g(action), action, name)
	}
	return answer, err
}

// refine gives every batch of the run its outcome. It reads the run from S3 only.
func (p *pipeline) refine(ctx context.Context, g *gate, name string) error {
	store := &artifacts.Store{Client: gatedS3{g}, Bucket: p.bucket}
	id, attempt, _ := run.ParseName(name)
	body, err := store.Read(ctx, contract.RunListKey(id, attempt))
	if err != nil {
		return err
	}
	var list contract.RunList
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, b := range list.Batches {
		if err := p.refineBatch(ctx, g, store, name, b); err != nil && !ledger.Refused(err) {
			return err
		}
	}
	return nil
}

func (p *pipeline) refineBatch(ctx context.Context, g *gate, store *artifacts.Store, name string, b contract.RunBatch) error {
	table := p.ledger(g)
	frozen, err := store.BatchList(ctx, b.Batch)
	if err != nil {
		return err
	}
	check := ledger.CheckLease(b.Dataset, name, b.Token)
	now := contract.Time(p.now())
	seen, err := table.Batch(ctx, b.Batch)
	if err != nil || !seen.Open() {
		return err
	}
	err = table.Apply(ctx, check, ledger.Update(ledger.BatchKey(b.Batch),
		"SET #state = :running, #attempt = #attempt + :one, #run = :run, #token = :token, #updated_at = :now, #mirrored = :no",
		"#state IN (:frozen, :running)", ledger.Values{"running": ledger.BatchRunning, "frozen": ledger.BatchFrozen, "one": 1,
			"run": name, "token": b.Token, "now": now, "no": false}))
	if err != nil {
		return err
	}
	o := p.outcome(frozen.Objects)
	for _, u := range o.unreadable {
		hash := contract.ObjectHash(u["key"].(string), u["version"].(string))
		err := table.Apply(ctx, check, ledger.Update(ledger.ObjectKey(b.Dataset, hash), "SET #state = :state, #reason = :reason",
			"#batch = :batch", ledger.Values{"state": ledger.ObjectUnreadable, "reason": "truncated", "batch": b.Batch}))
		if err != nil && !ledger.Refused(err) {
			return err
		}
	}
	values := ledger.Values{"running": ledger.BatchRunning, "run": name, "now": contract.Time(p.now()), "no": false}
	set := "SET #updated_at = :now, #mirrored = :no, "
	if seen.Force {
		values["prior"], values["rerun"] = seen.PriorState, map[string]any{"at": values["now"], "rows_changed": 0, "state": o.state}
		set += "#state = :prior, #rerun = :rerun, #force = :no REMOVE #prior_state"
	} else {
		values["state"], values["code"], values["reason"] = o.state, o.code, o.reason
		values["counts"] = map[string]int64{"read": o.read, "inserted": o.read}
		values["objects_read"] = len(frozen.Objects) - len(o.unreadable)
		values["unreadable"] = o.list()
		values["failed"], values["warned"] = o.failed, o.warned
		set += "#state = :state, #code = :code, #reason = :reason, #counts = :counts, #objects_read = :objects_read, #unreadable = :unreadable, " +
			"#rules_failed = :failed, #rules_warned = :warned"
	}
	err = table.Apply(ctx, check, ledger.Update(ledger.BatchKey(b.Batch), set, "#state = :running AND #run = :run", values), ledger.DeleteOpen(seen))
	if done, readErr := p.table.Batch(ctx, b.Batch); readErr == nil && done.State == ledger.BatchApplied {
		p.applied[b.Batch] = true
	}
	return err
}

type outcome struct {
	state, code, reason string
	read                int64
	failed, warned      int64 // quality rules, by policy
	unreadable          []map[string]any
}

func (o outcome) list() []any {
	out := make([]any, len(o.unreadable))
	for i, u := range o.unreadable {
		out[i] = u
	}
	return out
}

// outcome reads the objects' keys: bad ones cannot be read, blocking ones fail the gate.
func (p *pipeline) outcome(objects []contract.Object) outcome {
	o := outcome{state: ledger.BatchApplied}
	for _, object := range objects {
		switch {
		case strings.Contains(object.Key, "bad") && !p.mended:
			o.unreadable = append(o.unreadable, map[string]any{"key": object.Key, "version": object.Version, "reason": "truncated"})
			continue
		case strings.Contains(object.Key, "block") && !p.mended:
			o.state, o.code, o.reason = ledger.BatchBlocked, "gate", "40% of 10 rows quarantined, 5% allowed"
			o.failed, o.warned = 2, 1
		}
		o.read += 10
	}
	if len(o.unreadable) == len(objects) {
		o.state, o.code, o.reason = ledger.BatchFailed, "unreadable", fmt.Sprintf("none of %d objects could be read", len(objects))
	}
	return o
}

// publish rebuilds the curated tables from what the cleaned tables hold when it begins.
func (p *pipeline) publish(g *gate) error {
	inputs := maps.Clone(p.applied)
	_, err := through(g, true, func() (any, error) {
		p.published = inputs
		return nil, nil
	})
	if errors.Is(err, errKilled) {
		return err
	}
	return nil
}

// quiet runs everything until nothing is left to do: executions, then sweeps with the clock moved past every lease.
func (p *pipeline) quiet() {
	p.t.Helper()
	for range 60 {
		for _, name := range p.machine.running() {
			p.execute(name, alive)
		}
		p.clock = p.clock.Add(2 * lease)
		p.ask(`{"action": "sweep"}`)
		if len(p.machine.running()) == 0 {
			left, err := p.table.WorkLeft(p.t.Context(), maxAttempts)
			must(p.t, err)
			live, err := p.table.Live(p.t.Context())
			must(p.t, err)
			if !left && len(live) == 0 {
				return
			}
		}
	}
	p.t.Fatal("work is left after 60 sweeps")
}
