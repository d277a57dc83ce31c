package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

var restoreTiers = []string{"Bulk", "Standard", "Expedited"}

// plans checks a request and writes down what is to be replayed. A request that cannot be carried out is answered, not
// failed: to try it again would be of no use.
func (inv *invocation) plans(ctx context.Context, c Carry) (*Progress, error) {
	request, restore, err := carried(c.Request)
	var plan *contract.ReplayPlan
	if err == nil {
		plan, err = inv.selected(ctx, request)
	}
	var refused *refusedRequest
	if errors.As(err, &refused) {
		return &Progress{State: contract.ReplayFailed, Cause: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	plan.Replay, plan.StartedAt, plan.Restore = c.Replay, c.StartedAt, restore
	if err := inv.Artifacts.CreateJSON(ctx, contract.ReplayKey(c.Replay), plan); err != nil {
		return nil, err
	}
	kept, err := inv.readPlan(ctx, c.Replay)
	if err != nil {
		return nil, err
	}
	if kept.StartedAt != c.StartedAt {
		cause := fmt.Sprintf("a replay named %s was started at %s already: start this one under another name", c.Replay, kept.StartedAt)
		return &Progress{State: contract.ReplayFailed, Cause: cause}, nil
	}
	return &Progress{State: contract.ReplayPlanned, Restore: kept.Restore != nil}, nil
}

// readPlan reads what a replay works on.
func (inv *invocation) readPlan(ctx context.Context, replay string) (*contract.ReplayPlan, error) {
	body, err := inv.Artifacts.Read(ctx, contract.ReplayKey(replay))
	if err != nil {
		return nil, err
	}
	var plan contract.ReplayPlan
	if err := json.Unmarshal(body, &plan); err != nil {
		return nil, fmt.Errorf("read the plan of replay %s: %w", replay, err)
	}
	return &plan, nil
}

// refusedRequest is a request that its sender has to change.
type refusedRequest struct{ error }

func (r *refusedRequest) Unwrap() error { return r.error }

func refuse(err error) error {
	if err == nil {
		return nil
	}
	return &refusedRequest{err}
}

// carried reads an operator's request: that of a replay, perhaps with restore, perhaps without its action.
func carried(body json.RawMessage) (Request, *contract.Restore, error) {
	given := struct {
		*Request
		Restore *contract.Restore `json:"restore"`
	}{Request: &Request{Action: contract.ActionReplay}}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&given); err != nil {
		return Request{}, nil, refuse(fmt.Errorf("request %s: %s; %s", excerpt(body), strings.TrimPrefix(err.Error(), "json: "), usage))
	}
	var problems []error
	if given.Action != contract.ActionReplay {
		problems = append(problems, fmt.Errorf("action: got %q, want %q or nothing", given.Action, contract.ActionReplay))
	}
	if r := given.Restore; r != nil {
		if !slices.Contains(restoreTiers, r.Tier) {
			problems = append(problems, fmt.Errorf("restore.tier: got %q, want one of %s", r.Tier, strings.Join(restoreTiers, ", ")))
		}
		if r.Days < 1 || r.Days > contract.MaxRestoreDays {
			problems = append(problems, fmt.Errorf("restore.days: got %d, want 1 to %d", r.Days, contract.MaxRestoreDays))
		}
	}
	return *given.Request, given.Restore, refuse(errors.Join(problems...))
}

// selected is what a request replays; everything is left as it is.
func (inv *invocation) selected(ctx context.Context, r Request) (*contract.ReplayPlan, error) {
	plan := &contract.ReplayPlan{SchemaVersion: 1, Batches: []contract.PlannedBatch{}}
	if r.Corrections != "" {
		file, batches, err := inv.checkedCorrections(ctx, r)
		if err != nil {
			return nil, err
		}
		plan.Corrections = &contract.CorrectionFile{Bucket: file.Bucket, Key: file.Key, Version: file.Version}
		for _, b := range batches {
			plan.Batches = append(plan.Batches, contract.PlannedBatch{Batch: b.ID, Dataset: b.Dataset, State: b.State})
		}
		return plan, nil
	}
	s, err := inv.choose(r)
	if err != nil {
		return nil, refuse(err)
	}
	objects := 0
	err = inv.batches(ctx, s, func(b *ledger.Batch) (bool, error) {
		if inv.short() {
			return false, refuse(errors.New("replay request: there are more batches than can be looked through in five minutes: narrow dataset, from and to"))
		}
		if s.state != "" && b.State != s.state || b.Open() || !inv.manifest.Has(b.Dataset) {
			return true, nil
		}
		item := contract.PlannedBatch{Batch: b.ID, Dataset: b.Dataset, State: b.State}
		if done := b.State == ledger.BatchApplied || b.State == ledger.BatchEmpty; done && !s.force {
			for _, u := range b.Unreadable {
				item.Objects = append(item.Objects, contract.ObjectID{Key: u.Key, Version: u.Version})
			}
			if len(item.Objects) == 0 {
				return true, nil
			}
		}
		plan.Batches = append(plan.Batches, item)
		if objects += len(item.Objects); len(plan.Batches) > contract.MaxReplayBatches || objects > contract.MaxReplayObjects {
			return false, refuse(fmt.Errorf("replay request: selects more than %d batches or %d unreadable objects: narrow dataset, from and to",
				contract.MaxReplayBatches, contract.MaxReplayObjects))
		}
		return true, nil
	})
	if err == nil && s.batch != "" && len(plan.Batches) == 0 {
		err = inv.refuseBatch(ctx, s)
	}
	return plan, err
}

// refuseBatch says why the one batch that a request names is not replayed.
func (inv *invocation) refuseBatch(ctx context.Context, s selection) error {
	b, err := inv.Ledger.Batch(ctx, s.batch)
	if err != nil {
		return err
	}
	why := fmt.Sprintf(`is %s, so there is nothing to replay; "force": true runs it again`, b.State)
	switch {
	case b.Open():
		why = fmt.Sprintf("is %s: it has no outcome yet and is going to run", b.State)
	case !inv.manifest.Has(b.Dataset):
		why = fmt.Sprintf("is a batch of %s, which the manifest does not declare any more", b.Dataset)
	case s.state != "" && s.state != b.State:
		why = fmt.Sprintf("is %s, not %s", b.State, s.state)
	}
	return refuse(fmt.Errorf("replay request: batch: %s %s", b.ID, why))
}
