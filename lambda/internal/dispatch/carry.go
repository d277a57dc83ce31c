package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Carry is an event of the state machine that carries a replay to its end: begin with the operator's request, then advance
// until the answer is succeeded or failed. Replay is the name of the execution, StartedAt (of begin) when it was started.
type Carry struct {
	Action    string          `json:"action"`
	Replay    string          `json:"replay"`
	StartedAt string          `json:"started_at"`
	Request   json.RawMessage `json:"request,omitempty"`
}

// Progress is the answer to begin and advance. Wait is in seconds, to the next look; Cause tells people why the replay
// failed.
type Progress struct {
	State   string `json:"state"`
	Restore bool   `json:"restore"`
	Wait    int    `json:"wait"`
	Figures
	Cause string `json:"cause"`
}

// Figures are what a replay has done. Batches are those that it runs again, by what became of them; Objects were
// unreadable and are tried again in batches of their own; Kept are batches that were left as they are, since another
// replay has mended them meanwhile.
type Figures struct {
	Batches     map[string]int `json:"batches"`
	Objects     map[string]int `json:"objects"`
	Corrections map[string]int `json:"corrections"`
	Kept        int            `json:"kept"`
}

var (
	executionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
	restoreTiers  = []string{"Bulk", "Standard", "Expedited"}
)

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

// advance opens what is planned and not opened yet, starts runs on it, and tells how far all of it has come.
func (inv *invocation) advance(ctx context.Context, c Carry) (*Progress, error) {
	plan, err := inv.readPlan(ctx, c.Replay)
	if err != nil {
		return nil, err
	}
	opened, err := inv.openPlanned(ctx, plan)
	if err != nil {
		return nil, err
	}
	if opened > 0 {
		if err := inv.drain(ctx); err != nil {
			return nil, err
		}
	}
	if inv.summary.Incomplete {
		return &Progress{State: contract.ReplayOpening, Wait: 1}, nil
	}
	progress, err := inv.progress(ctx, plan)
	if err == nil {
		progress.Wait, err = pause(plan.StartedAt, inv.Now())
	}
	return progress, err
}

// Bounds of the time between two looks, in seconds.
const shortestPause, longestPause = 30, 300

// pause is how many seconds to wait until the next look: a tenth of the time that the replay has taken so far. An execution
// has room for 25,000 events, nine of them for each look.
func pause(startedAt string, now time.Time) (int, error) {
	started, err := time.Parse(time.RFC3339Nano, startedAt)
	if err != nil {
		return 0, fmt.Errorf("started_at: %w", err)
	}
	tenth := int(now.Sub(started).Seconds() / 10)
	return min(max(tenth, shortestPause), longestPause), nil
}

// wanted tells whether a replay has yet to open a batch of its plan, which it does once and when the batch is at rest. What
// another replay has mended meanwhile it leaves alone, but for its corrections.
func wanted(plan *contract.ReplayPlan, item contract.PlannedBatch, b *ledger.Batch) bool {
	if slices.Contains(b.Replays, plan.Replay) {
		return false
	}
	mended := b.State != item.State && (b.State == ledger.BatchApplied || b.State == ledger.BatchEmpty)
	return plan.Corrections != nil || !mended
}

// openPlanned opens the batches that the replay has yet to open. Each changes in one conditional transaction.
func (inv *invocation) openPlanned(ctx context.Context, plan *contract.ReplayPlan) (int, error) {
	if err := inv.keepManifest(ctx); err != nil {
		return 0, err
	}
	done := &Replayed{}
	for _, item := range plan.Batches {
		if inv.short() {
			break
		}
		b, err := inv.Ledger.Batch(ctx, item.Batch)
		if err != nil {
			return 0, err
		}
		if b.Open() || !wanted(plan, item, b) {
			continue
		}
		if len(item.Objects) > 0 {
			err = inv.repend(ctx, b, done)
			if err == nil {
				err = inv.Ledger.Apply(ctx, ledger.NoteReplay(b, plan.Replay))
			}
		} else {
			err = inv.openAgain(ctx, b, plan, done)
		}
		if err != nil {
			return 0, fmt.Errorf("replay batch %s: %w", b.ID, err)
		}
	}
	return len(done.Batches) + len(done.Repended), nil
}

func (inv *invocation) openAgain(ctx context.Context, b *ledger.Batch, plan *contract.ReplayPlan, done *Replayed) error {
	reopening := ledger.Reopening{Replay: plan.Replay}
	if f := plan.Corrections; f != nil {
		file := ledger.Correction{Bucket: f.Bucket, Key: f.Key, Version: f.Version}
		if !slices.Contains(b.Corrections, file) {
			reopening.Corrections = []ledger.Correction{file}
		}
	}
	return inv.reopen(ctx, b, done, reopening)
}

// carry reads an event of the state machine; false for any other event.
func carry(event []byte) (Carry, bool) {
	var c Carry
	err := json.Unmarshal(event, &c)
	return c, err == nil && (c.Action == contract.ActionBegin || c.Action == contract.ActionAdvance)
}

func (h *Handler) carry(ctx context.Context, c Carry) (*Progress, error) {
	answer, err := h.carried(ctx, c)
	if err != nil {
		slog.Error("replay failed", "replay", c.Replay, "action", c.Action, "error", err.Error())
		return nil, err
	}
	slog.Info("replay", "replay", c.Replay, "action", c.Action, "state", answer.State, "cause", answer.Cause)
	return answer, nil
}

func (h *Handler) carried(ctx context.Context, c Carry) (*Progress, error) {
	if !executionName.MatchString(c.Replay) {
		return nil, fmt.Errorf("replay: got %q, want the name of an execution: up to 80 letters, digits, - and _", c.Replay)
	}
	if _, err := pause(c.StartedAt, h.Now()); err != nil && c.Action == contract.ActionBegin {
		return nil, err
	}
	inv, err := h.begin(ctx)
	if err != nil {
		return nil, err
	}
	if c.Action == contract.ActionBegin {
		return inv.plans(ctx, c)
	}
	return inv.advance(ctx, c)
}
