// Package run records how a run ended: what becomes of its batches, its leases and its own record. record does it when
// the pipeline says so, dispatch when it finds a run that ended unsaid.
package run

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Ledger is what settling needs of the ledger.
type Ledger interface {
	Batch(ctx context.Context, id string) (*ledger.Batch, error)
	Lease(ctx context.Context, dataset string) (ledger.Lease, error)
	Apply(ctx context.Context, writes ...ledger.Write) error
}

// Mirror shows a batch record to Athena.
type Mirror interface {
	Mirror(ctx context.Context, b *ledger.Batch) error
}

// Counter counts metrics.
type Counter interface {
	Count(counts map[string]int64) error
}

// Settler ends runs. Everything it does may be repeated from the start after any interruption.
type Settler struct {
	Ledger      Ledger
	Mirrors     Mirror
	Metrics     Counter
	MaxAttempts int
	Now         func() time.Time
}

// Outcome is how an execution ended. State is one of ledger's run states.
type Outcome struct {
	State, Error, Cause string
}

// tries bounds how often a record that somebody else is changing is read again.
const tries = 5

// Settle ends a running run: unfinished batches are frozen again or exhausted, outcomes are mirrored and counted, then
// the run's record, its live pointer and the leases it still holds change in one transaction. A run that has ended
// already stays as it is.
func (s *Settler) Settle(ctx context.Context, r *ledger.Run, o Outcome) error {
	if r.State != ledger.RunRunning {
		return nil
	}
	for _, id := range r.Batches {
		if err := s.settleBatch(ctx, r, id, o); err != nil {
			return fmt.Errorf("settle batch %s of run %s: %w", id, r.Name(), err)
		}
	}
	if err := s.Outcomes(ctx, r); err != nil {
		return err
	}
	if err := s.settlePublish(ctx, r, o); err != nil {
		return err
	}
	if o.State != ledger.RunSucceeded {
		if err := s.Metrics.Count(map[string]int64{contract.FailedRuns: 1}); err != nil {
			return err
		}
	}
	if err := s.end(ctx, r, o); err != nil {
		return fmt.Errorf("end run %s: %w", r.Name(), err)
	}
	r.State, r.Error, r.Cause = o.State, o.Error, o.Cause
	return nil
}

// settlePublish removes the publish mark that the run has served, or sets it for a run that changed tables but ended
// before anybody asked whether publish has work.
func (s *Settler) settlePublish(ctx context.Context, r *ledger.Run, o Outcome) error {
	if o.State == ledger.RunSucceeded {
		if r.Publish == 0 {
			return nil
		}
		if err := s.Ledger.Apply(ctx, ledger.Published(r.Publish)); err != nil && !ledger.Refused(err) {
			return fmt.Errorf("remove the publish mark: %w", err)
		}
		return nil
	}
	if r.Publish > 0 {
		return nil
	}
	for _, id := range r.Batches {
		b, err := s.Ledger.Batch(ctx, id)
		if err != nil {
			return err
		}
		if ChangedTable(b) {
			if err := s.Ledger.Apply(ctx, ledger.WantPublish()); err != nil {
				return fmt.Errorf("set the publish mark: %w", err)
			}
			return nil
		}
	}
	return nil
}

// ChangedTable tells whether a batch's outcome changed its cleaned table.
func ChangedTable(b *ledger.Batch) bool {
	if b.Rerun != nil {
		return b.Rerun.RowsChanged > 0
	}
	return b.State == ledger.BatchApplied
}

// settleBatch takes a batch without an outcome from the run. If the run has lost the dataset's lease, the batch is its
// new holder's to judge.
func (s *Settler) settleBatch(ctx context.Context, r *ledger.Run, id string, o Outcome) error {
	for range tries {
		b, err := s.Ledger.Batch(ctx, id)
		if err != nil {
			return err
		}
		if !b.Open() || (b.State == ledger.BatchFrozen && b.Run == r.Name()) {
			return nil
		}
		token := r.Leases[b.Dataset]
		held, err := s.holds(ctx, r, b.Dataset)
		if err != nil || !held {
			return err
		}
		attempt := b.Attempt
		if b.Run != r.Name() {
			// refine never began it: charge the run all the same, or a job that cannot start would be tried for ever.
			attempt++
		}
		now := contract.Time(s.Now())
		writes := []ledger.Write{ledger.CheckLease(b.Dataset, r.Name(), token)}
		if attempt >= s.MaxAttempts {
			writes = append(writes, ledger.Exhaust(b, r.Name(), attempt, exhausted(attempt, r, o), now)...)
		} else {
			writes = append(writes, ledger.Charge(b, r.Name(), attempt, now))
		}
		if err := s.Ledger.Apply(ctx, writes...); !ledger.Refused(err) {
			return err
		}
	}
	return fmt.Errorf("its record changed under %d attempts to settle it", tries)
}

func exhausted(attempt int, r *ledger.Run, o Outcome) string {
	reason := fmt.Sprintf("%d of %d runs ended without an outcome for it; the last, %s, %s", attempt, attempt, r.Name(), o.State)
	if o.Error != "" {
		reason += ": " + o.Error
	}
	if o.Cause != "" {
		reason += ": " + shorten(o.Cause, 1000)
	}
	return reason
}

func (s *Settler) holds(ctx context.Context, r *ledger.Run, dataset string) (bool, error) {
	l, err := s.Ledger.Lease(ctx, dataset)
	return l.State == ledger.LeaseHeld && l.Run == r.Name() && l.Token == r.Leases[dataset], err
}

// end writes the run's outcome and frees its leases, all or nothing: a run that is not live holds no lease.
func (s *Settler) end(ctx context.Context, r *ledger.Run, o Outcome) error {
	for range tries {
		writes := ledger.EndRun(r, o.State, o.Error, shorten(o.Cause, 8000), contract.Time(s.Now()))
		for dataset, token := range r.Leases {
			held, err := s.holds(ctx, r, dataset)
			if err != nil {
				return err
			}
			if held {
				writes = append(writes, ledger.FreeLease(dataset, r.Name(), token))
			}
		}
		l, err := s.Ledger.Lease(ctx, ledger.PublishLease)
		if err != nil {
			return err
		}
		if l.State == ledger.LeaseHeld && l.Run == r.Name() {
			writes = append(writes, ledger.FreeLease(ledger.PublishLease, r.Name(), l.Token))
		}
		err = s.Ledger.Apply(ctx, writes...)
		failed, refused := ledger.FailedConditions(err)
		if !refused {
			return err
		}
		if failed[0] == 0 {
			return nil // somebody else has just recorded an outcome
		}
	}
	return fmt.Errorf("its leases changed under %d attempts to end it", tries)
}

// Outcomes mirrors and counts those outcomes of the run's batches that are not yet. Metrics are counted before the
// record says so: an alarm may count twice, it must not miss one.
func (s *Settler) Outcomes(ctx context.Context, r *ledger.Run) error {
	for _, id := range r.Batches {
		b, err := s.Ledger.Batch(ctx, id)
		if err != nil {
			return err
		}
		if err := s.Outcome(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// Outcome mirrors and counts a batch's outcome, if it has one and that was not done.
func (s *Settler) Outcome(ctx context.Context, b *ledger.Batch) error {
	if b.Open() || b.Mirrored {
		return nil
	}
	if err := s.Mirrors.Mirror(ctx, b); err != nil {
		return err
	}
	counts := map[string]int64{}
	switch b.State {
	case ledger.BatchFailed:
		counts[contract.FailedBatches] = 1
	case ledger.BatchBlocked:
		counts[contract.BlockedBatches] = 1
	}
	if b.Rerun == nil {
		counts[contract.UnreadableObjects] = int64(len(b.Unreadable))
		counts[contract.FailedRules], counts[contract.WarnedRules] = b.RulesFailed, b.RulesWarned
	}
	if err := s.Metrics.Count(counts); err != nil {
		return err
	}
	if err := s.Ledger.Apply(ctx, ledger.SetMirrored(b)); err != nil && !ledger.Refused(err) {
		return fmt.Errorf("note that batch %s is mirrored: %w", b.ID, err)
	}
	return nil
}

var name = regexp.MustCompile(`^([0-9a-f]{32})-([1-9][0-9]{0,5})$`)

// ParseName splits a run's name into run id and attempt.
func ParseName(s string) (id string, attempt int, ok bool) {
	m := name.FindStringSubmatch(s)
	if m == nil {
		return "", 0, false
	}
	attempt, err := strconv.Atoi(m[2])
	return m[1], attempt, err == nil
}

// shorten cuts long texts of services, which may hold whole job descriptions.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
