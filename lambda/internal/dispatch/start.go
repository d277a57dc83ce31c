package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// start runs what is ready: batches that once ended a run each in a run of their own, all others together.
func (inv *invocation) start(ctx context.Context, ready []*claimed) error {
	var problems []error
	var together []*claimed
	for _, c := range ready {
		if c.alone {
			problems = append(problems, inv.commit(ctx, []*claimed{c}))
		} else {
			together = append(together, c)
		}
	}
	for group := range slices.Chunk(together, inv.Limits.DatasetsPerRun) {
		problems = append(problems, inv.commit(ctx, group))
	}
	return errors.Join(problems...)
}

// publish starts a run without batches if curated tables are behind and no run is going to see to it.
func (inv *invocation) publish(ctx context.Context) error {
	if len(inv.summary.Runs) > 0 {
		return nil
	}
	wanted, err := inv.Ledger.PublishWanted(ctx)
	if err != nil {
		return fmt.Errorf("read the publish mark: %w", err)
	}
	if wanted.N == 0 || wanted.Attempt >= inv.Limits.MaxAttempts {
		return nil
	}
	live, err := inv.Ledger.Live(ctx)
	if err != nil || len(live) > 0 {
		return err
	}
	return inv.commit(ctx, nil, ledger.ChargePublish(wanted))
}

// commit records a run of the group's batches and gives it the leases, in one transaction, then starts it. The first
// attempt number that is free is used: names of executions stay taken, by runs that a restored ledger has forgotten too.
func (inv *invocation) commit(ctx context.Context, group []*claimed, also ...ledger.Write) error {
	for pass := 0; pass < passes; {
		r, writes, err := inv.plan(ctx, group)
		if err != nil {
			return err
		}
		fixed := len(writes)
		for _, c := range group {
			writes = append(writes, ledger.HandLease(c.dataset, inv.claim, r.Name(), c.token, inv.leaseEnd()))
		}
		err = inv.Ledger.Apply(ctx, append(writes, also...)...)
		failed, refused := ledger.FailedConditions(err)
		switch {
		case err == nil:
			taken, err := inv.launch(ctx, r)
			if err != nil {
				return err
			}
			if !taken {
				inv.summary.Runs = append(inv.summary.Runs, started(r, group))
				return nil
			}
			if err := inv.abandon(ctx, r); err != nil {
				return err
			}
			if also = nil; !inv.short() { // the other writes are done
				continue
			}
		case !refused:
			return fmt.Errorf("record run %s: %w", r.Name(), err)
		case failed[0] == 0: // another invocation has taken this attempt's number
		default:
			if group = inv.without(group, failed, fixed); len(group) == 0 {
				return nil
			}
		}
		pass++
	}
	return fmt.Errorf("no run of %d datasets could be recorded in %d tries; the next sweep takes them on", len(group), passes)
}

func (inv *invocation) plan(ctx context.Context, group []*claimed) (*ledger.Run, []ledger.Write, error) {
	if err := inv.keepManifest(ctx); err != nil {
		return nil, nil, err
	}
	r := &ledger.Run{State: ledger.RunRunning, Batches: []string{}, Leases: map[string]int64{}, StartedAt: inv.timestamp()}
	for _, c := range group {
		r.Leases[c.dataset] = c.token
		for _, b := range c.batches {
			r.Batches = append(r.Batches, b.ID)
		}
	}
	r.ID = contract.RunID(r.Batches)
	last, err := inv.Ledger.LastAttempt(ctx, r.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("read the attempts of run %s: %w", r.ID, err)
	}
	r.Attempt = last + 1
	r.Execution = inv.Executions.ARN(r.Name())
	r.RunURI = inv.Artifacts.URI(contract.RunListKey(r.ID, r.Attempt))
	return r, ledger.CreateRun(r), nil
}

// without drops the datasets whose leases the invocation has lost.
func (inv *invocation) without(group []*claimed, failed []int, fixed int) []*claimed {
	var lost []int
	for _, f := range failed {
		if i := f - fixed; i < len(group) {
			lost = append(lost, i)
			inv.skip(group[i].dataset, "its lease was lost before the run was recorded")
		}
	}
	return ledger.Drop(group, lost)
}

func started(r *ledger.Run, group []*claimed) Started {
	s := Started{Run: r.Name(), Batches: r.Batches, Datasets: []string{}}
	for _, c := range group {
		s.Datasets = append(s.Datasets, c.dataset)
	}
	return s
}

// launch writes a recorded run's list and starts its execution. It follows from the ledger alone, so that a sweep can
// do it for an invocation that died. taken says that the execution's name is in other use.
func (inv *invocation) launch(ctx context.Context, r *ledger.Run) (taken bool, err error) {
	list := contract.RunList{SchemaVersion: 1, Run: r.ID, Attempt: r.Attempt, Manifest: inv.manifest.Hash, Batches: []contract.RunBatch{}}
	if err := inv.keepManifest(ctx); err != nil {
		return false, err
	}
	for _, id := range r.Batches {
		b, err := inv.Ledger.Batch(ctx, id)
		if err != nil {
			return false, fmt.Errorf("list run %s: %w", r.Name(), err)
		}
		list.Batches = append(list.Batches, contract.RunBatch{Batch: b.ID, Dataset: b.Dataset, ListURI: b.ListURI, Manifest: b.Manifest,
			Token: r.Leases[b.Dataset], Force: b.Force})
	}
	if err := inv.Artifacts.CreateJSON(ctx, contract.RunListKey(r.ID, r.Attempt), list); err != nil {
		return false, err
	}
	input, err := input(r)
	if err != nil {
		return false, err
	}
	return inv.Executions.Start(ctx, r.Name(), input)
}

func input(r *ledger.Run) (string, error) {
	text, err := json.Marshal(contract.ExecutionInput{Run: r.ID, Attempt: r.Attempt, RunURI: r.RunURI, StartedAt: r.StartedAt})
	if err != nil {
		return "", fmt.Errorf("render the input of run %s: %w", r.Name(), err)
	}
	return string(text), nil
}

// abandon ends a run whose execution name is in other use and takes its leases back under the invocation's claim.
func (inv *invocation) abandon(ctx context.Context, r *ledger.Run) error {
	writes := ledger.EndRun(r, ledger.RunAborted, "NameTaken", "an execution of this name has another input", inv.timestamp())
	for dataset, token := range r.Leases {
		writes = append(writes, ledger.HandLease(dataset, r.Name(), inv.claim, token, inv.leaseEnd()))
	}
	if err := inv.Ledger.Apply(ctx, writes...); err != nil {
		return fmt.Errorf("abandon run %s: %w", r.Name(), err)
	}
	return nil
}
