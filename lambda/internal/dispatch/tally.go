package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// causes bounds the batches that a cause names.
const causes = 10

// progress looks at what the replay has opened.
func (inv *invocation) progress(ctx context.Context, plan *contract.ReplayPlan) (*Progress, error) {
	found := tallied{Figures: Figures{Batches: map[string]int{}, Objects: map[string]int{}, Corrections: map[string]int{}}}
	for _, item := range plan.Batches {
		b, err := inv.Ledger.Batch(ctx, item.Batch)
		if err != nil {
			return nil, err
		}
		switch {
		case wanted(plan, item, b): // somebody else runs it just now
			found.Batches[b.State]++
			found.open = true
		case !slices.Contains(b.Replays, plan.Replay):
			found.Kept++
		case len(item.Objects) > 0:
			err = inv.tallyObjects(ctx, item, &found)
		default:
			// Of a batch that failed nothing was judged, so it may have no rows of corrections.
			if judged := found.batch(b); judged && plan.Corrections != nil {
				err = inv.tallyCorrections(ctx, b.ID, *plan.Corrections, &found)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return found.answer(), nil
}

// tallyObjects looks for the batches that have taken up objects which were unreadable.
func (inv *invocation) tallyObjects(ctx context.Context, item contract.PlannedBatch, found *tallied) error {
	for _, id := range item.Objects {
		o, err := inv.Ledger.Object(ctx, item.Dataset, contract.ObjectHash(id.Key, id.Version))
		if ledger.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		state := o.State
		if o.State == ledger.ObjectClaimed {
			b, err := inv.Ledger.Batch(ctx, o.Batch)
			if err != nil {
				return err
			}
			state = b.State
		}
		found.Objects[state]++
		switch state {
		case ledger.ObjectPending, ledger.BatchFrozen, ledger.BatchRunning:
			found.open = true
		case ledger.BatchApplied, ledger.BatchEmpty:
		default:
			found.fail("%s of %s is %s again", id.Key, item.Dataset, state)
		}
	}
	return nil
}

// tallyCorrections counts what became of the file's corrections of a batch's records.
func (inv *invocation) tallyCorrections(ctx context.Context, batch string, file contract.CorrectionFile, found *tallied) error {
	body, err := inv.Artifacts.Read(ctx, contract.CorrectionsKey(batch))
	if err != nil {
		return err
	}
	for line := range bytes.Lines(body) {
		var row struct {
			Key     string `json:"correction_key"`
			Version string `json:"correction_version"`
			Line    int    `json:"correction_line"`
			Outcome string `json:"outcome"`
			Reason  string `json:"reason"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("read %s: %w", contract.CorrectionsKey(batch), err)
		}
		if row.Key != file.Key || row.Version != file.Version {
			continue
		}
		found.Corrections[row.Outcome]++
		switch row.Outcome {
		case "refused", "quarantined", "blocked":
			found.fail("the correction in line %d is %s: %s", row.Line, row.Outcome, row.Reason)
		}
	}
	return nil
}

// tallied gathers figures and what has failed.
type tallied struct {
	Figures
	open   bool
	failed []string
}

func (t *tallied) fail(format string, args ...any) {
	t.failed = append(t.failed, fmt.Sprintf(format, args...))
}

// batch counts a batch that the replay has opened, and tells whether its records have been judged.
func (t *tallied) batch(b *ledger.Batch) (judged bool) {
	state, code, reason := b.Ended()
	t.Batches[state]++
	switch state {
	case ledger.BatchFrozen, ledger.BatchRunning:
		t.open = true
	case ledger.BatchBlocked, ledger.BatchFailed:
		t.fail("batch %s of %s is %s (%s): %s", b.ID, b.Dataset, state, code, reason)
	}
	return state == ledger.BatchApplied || state == ledger.BatchEmpty || state == ledger.BatchBlocked
}

func (t *tallied) answer() *Progress {
	p := &Progress{State: contract.ReplaySucceeded, Figures: t.Figures}
	if t.open {
		p.State = contract.ReplayRunning
		return p
	}
	if len(t.failed) == 0 {
		return p
	}
	shown := t.failed[:min(causes, len(t.failed))]
	p.State, p.Cause = contract.ReplayFailed, fmt.Sprintf("%d failed:\n%s", len(t.failed), strings.Join(shown, "\n"))
	if more := len(t.failed) - len(shown); more > 0 {
		p.Cause += fmt.Sprintf("\nand %d more", more)
	}
	return p
}
