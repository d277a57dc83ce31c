// Package record writes down what the pipeline did: outcomes of batches for people and Athena, outcomes of runs for the
// ledger. Every step may be repeated; only the message to people is sent at most once.
package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/notify"
	"github.com/strata-cdk/strata/lambda/internal/run"
)

// Waker wakes dispatch.
type Waker interface {
	Wake(ctx context.Context) error
}

// Teller tells people.
type Teller interface {
	Tell(ctx context.Context, r *ledger.Run, batches []*ledger.Batch) error
}

// Handler handles record's events.
type Handler struct {
	Ledger  *ledger.Table
	Settler *run.Settler
	Topic   Teller
	Waker   Waker
}

// Request is what the state machine sends, or the fields of an execution status event.
type Request struct {
	Action  string `json:"action"`
	Run     string `json:"run"`
	Attempt int    `json:"attempt"`
	Error   *struct {
		Error, Cause string
	} `json:"error"`
	contract.ExecutionEvent
}

// Refined is the answer to refined. Publish tells whether curated tables are to be published.
type Refined struct {
	Publish bool `json:"publish"`
	Applied int  `json:"applied"`
	Failed  int  `json:"failed"`
	Blocked int  `json:"blocked"`
}

// Ended is the answer to finish, fail and execution status events. Ignored is the reason why nothing was done.
type Ended struct {
	Run     string `json:"run,omitempty"`
	State   string `json:"state,omitempty"`
	Ignored string `json:"ignored,omitempty"`
}

// Handle handles a request of the state machine or an execution status event.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (any, error) {
	var request Request
	if err := json.Unmarshal(event, &request); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	answer, err := h.handle(ctx, request)
	if err != nil {
		slog.Error("not recorded", "action", request.Action, "run", request.Run, "attempt", request.Attempt,
			"execution", request.Detail.Name, "error", err.Error())
		return nil, err
	}
	slog.Info("recorded", "action", request.Action, "run", request.Run, "attempt", request.Attempt, "execution", request.Detail.Name)
	return answer, nil
}

func (h *Handler) handle(ctx context.Context, request Request) (any, error) {
	if request.DetailType == contract.ExecutionStatusChange {
		return h.statusChanged(ctx, request.Detail)
	}
	outcome := run.Outcome{State: ledger.RunSucceeded}
	switch request.Action {
	case contract.ActionRefined, contract.ActionFinish:
	case contract.ActionFail:
		outcome.State = ledger.RunFailed
		if request.Error != nil {
			outcome.Error, outcome.Cause = request.Error.Error, request.Error.Cause
		}
	default:
		return nil, fmt.Errorf("action: got %q, want %s, %s or %s, or an event of detail-type %q", request.Action,
			contract.ActionRefined, contract.ActionFinish, contract.ActionFail, contract.ExecutionStatusChange)
	}
	r, err := h.Ledger.Run(ctx, request.Run, request.Attempt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.Action, err)
	}
	if request.Action == contract.ActionRefined {
		return h.refined(ctx, r)
	}
	return h.end(ctx, r, outcome)
}

// statusChanged catches the ends that no state of the machine sees: aborts, timeouts and runtime errors.
func (h *Handler) statusChanged(ctx context.Context, d contract.ExecutionDetail) (any, error) {
	id, attempt, ok := run.ParseName(d.Name)
	if !ok {
		return Ended{Ignored: fmt.Sprintf("execution %q was not started by dispatch", d.Name)}, nil
	}
	state, over := run.StateOf(d.Status)
	if !over {
		return Ended{Run: d.Name, Ignored: fmt.Sprintf("status %s is not an end", d.Status)}, nil
	}
	r, err := h.Ledger.Run(ctx, id, attempt)
	if err != nil {
		return nil, fmt.Errorf("execution %s ended as %s: %w", d.Name, d.Status, err)
	}
	return h.end(ctx, r, run.Outcome{State: state, Error: d.Error, Cause: d.Cause})
}

// refined mirrors the outcomes and says whether publish has work: because this run changed a cleaned table, or because
// an earlier publish did not happen.
func (h *Handler) refined(ctx context.Context, r *ledger.Run) (any, error) {
	if err := h.Settler.Outcomes(ctx, r); err != nil {
		return nil, err
	}
	batches, err := h.batches(ctx, r)
	if err != nil {
		return nil, err
	}
	var answer Refined
	changed := false
	for _, b := range batches {
		changed = changed || run.ChangedTable(b)
		switch b.State {
		case ledger.BatchApplied:
			answer.Applied++
		case ledger.BatchFailed:
			answer.Failed++
		case ledger.BatchBlocked:
			answer.Blocked++
		}
	}
	if changed && r.State == ledger.RunRunning && r.Publish == 0 {
		if err := h.Ledger.Apply(ctx, ledger.WantPublish()); err != nil {
			return nil, fmt.Errorf("set the publish mark: %w", err)
		}
	}
	wanted, err := h.Ledger.PublishWanted(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the publish mark: %w", err)
	}
	own := len(r.Batches) == 0
	if wanted.N == 0 || (!changed && !own && wanted.Attempt >= h.Settler.MaxAttempts) {
		return answer, nil
	}
	if err := h.Ledger.Apply(ctx, ledger.SetPublish(r, wanted.N)); err != nil {
		return nil, fmt.Errorf("note the publish of run %s: %w", r.Name(), err)
	}
	answer.Publish = true
	return answer, nil
}

func (h *Handler) end(ctx context.Context, r *ledger.Run, o run.Outcome) (any, error) {
	if err := h.Settler.Settle(ctx, r, o); err != nil {
		return nil, err
	}
	// What was recorded first counts: read it again in case somebody else was first.
	r, err := h.Ledger.Run(ctx, r.ID, r.Attempt)
	if err != nil {
		return nil, err
	}
	if err := h.tell(ctx, r); err != nil {
		return nil, err
	}
	left, err := h.Ledger.WorkLeft(ctx, h.Settler.MaxAttempts)
	if err != nil {
		return nil, fmt.Errorf("look for work: %w", err)
	}
	if left {
		if err := h.Waker.Wake(ctx); err != nil {
			return nil, err
		}
	}
	return Ended{Run: r.Name(), State: r.State}, nil
}

// tell sends the run's one message. The right to send it is taken first and given back if the topic refuses.
func (h *Handler) tell(ctx context.Context, r *ledger.Run) error {
	batches, err := h.batches(ctx, r)
	if err != nil {
		return err
	}
	if r.Notified || !notify.Worth(r, batches) {
		return nil
	}
	err = h.Ledger.Apply(ctx, ledger.SetNotified(r, true))
	if ledger.Refused(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take the right to tell about run %s: %w", r.Name(), err)
	}
	if err := h.Topic.Tell(ctx, r, batches); err != nil {
		return errors.Join(err, h.Ledger.Apply(ctx, ledger.SetNotified(r, false)))
	}
	return nil
}

func (h *Handler) batches(ctx context.Context, r *ledger.Run) ([]*ledger.Batch, error) {
	batches := make([]*ledger.Batch, len(r.Batches))
	for i, id := range r.Batches {
		b, err := h.Ledger.Batch(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("batches of run %s: %w", r.Name(), err)
		}
		batches[i] = b
	}
	return batches, nil
}
