package dispatch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// selection is a replay request that has been checked.
type selection struct {
	batch    string
	datasets []string
	from, to string
	state    string
	force    bool
}

var (
	batchID      = regexp.MustCompile(`^[0-9a-f]{32}$`)
	replayStates = []string{ledger.BatchBlocked, ledger.BatchFailed, ledger.BatchApplied, ledger.BatchEmpty}
)

// choose checks a replay request and reports everything that is wrong with it.
func (inv *invocation) choose(r Request) (selection, error) {
	s := selection{batch: r.Batch, state: r.State, force: r.Force, datasets: inv.manifest.IDs()}
	var problems []error
	bad := func(field, format string, args ...any) {
		problems = append(problems, fmt.Errorf(field+": "+format, args...))
	}
	if r.Batch == "" && r.Dataset == "" && r.From == "" && r.To == "" && r.State == "" {
		bad("replay", "say what to replay: at least one of batch, dataset, from, to, state")
	}
	if r.Batch != "" && !batchID.MatchString(r.Batch) {
		bad("batch", "got %q, want 32 lower-case hex digits as in the batches table", r.Batch)
	}
	if r.Batch != "" && (r.Dataset != "" || r.From != "" || r.To != "") {
		bad("batch", "names one batch: leave dataset, from and to out")
	}
	if r.Dataset != "" {
		if !inv.manifest.Has(r.Dataset) {
			bad("dataset", "got %q, declared are %s", r.Dataset, listing(inv.manifest.IDs()))
		}
		s.datasets = []string{r.Dataset}
	}
	var err error
	if s.from, err = moment(r.From); err != nil {
		bad("from", "%w", err)
	}
	if s.to, err = moment(r.To); err != nil {
		bad("to", "%w", err)
	}
	if s.from != "" && s.to != "" && s.from >= s.to {
		bad("to", "got %q, want a time after from (%q)", r.To, r.From)
	}
	if r.State != "" && !slices.Contains(replayStates, r.State) {
		bad("state", "got %q, want one of %s", r.State, strings.Join(replayStates, ", "))
	}
	if len(problems) > 0 {
		return s, fmt.Errorf("replay request: %w", errors.Join(problems...))
	}
	return s, nil
}

func moment(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return contract.Time(t), nil
		}
	}
	return "", fmt.Errorf("got %q, want a time such as 2026-01-31T06:00:00Z or a day such as 2026-01-31", s)
}

func listing(ids []string) string {
	const limit = 20
	if len(ids) > limit {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:limit], ", "), len(ids)-limit)
	}
	return strings.Join(ids, ", ")
}

// batches calls each for the selected batches, read consistently.
func (inv *invocation) batches(ctx context.Context, s selection, each func(*ledger.Batch) (bool, error)) error {
	if s.batch != "" {
		b, err := inv.Ledger.Batch(ctx, s.batch)
		if ledger.IsNotFound(err) {
			return refuse(fmt.Errorf("replay request: batch: no batch %s in the ledger; the batches table of the operations database lists them", s.batch))
		}
		if err != nil {
			return err
		}
		_, err = each(b)
		return err
	}
	for _, dataset := range s.datasets {
		var ids []string
		err := inv.Ledger.BatchesOf(ctx, dataset, s.from, s.to, func(b *ledger.Batch) (bool, error) {
			ids = append(ids, b.ID)
			return true, nil
		})
		if err != nil {
			return fmt.Errorf("list the batches of %s: %w", dataset, err)
		}
		for _, id := range ids {
			b, err := inv.Ledger.Batch(ctx, id)
			if err != nil {
				return err
			}
			if more, err := each(b); err != nil || !more {
				return err
			}
		}
	}
	return nil
}
