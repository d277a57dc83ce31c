package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
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

var executionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

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
		cause := fmt.Sprintf("the execution is named %q: start it under a name of up to 80 letters, digits, - and _, or without one", c.Replay)
		return &Progress{State: contract.ReplayFailed, Cause: cause}, nil
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
