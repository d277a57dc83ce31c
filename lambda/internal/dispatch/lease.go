package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/run"
)

// take takes the dataset's lease under the invocation's claim. A lease that expired in the hands of a run is taken only
// after that run is known to have ended.
func (inv *invocation) take(ctx context.Context, dataset string) (token int64, ok bool, err error) {
	l, err := inv.Ledger.Lease(ctx, dataset)
	if err != nil {
		return 0, false, err
	}
	if l.State == ledger.LeaseHeld {
		if l.Run == inv.claim {
			return l.Token, true, nil
		}
		expires := time.Unix(l.Expires, 0)
		if inv.Now().Before(expires) {
			inv.skip(dataset, "%s holds its lease until %s", l.Run, contract.Time(expires))
			return 0, false, nil
		}
		ended, err := inv.settleHolder(ctx, l.Run)
		if err != nil {
			return 0, false, err
		}
		if !ended {
			inv.skip(dataset, "run %s, whose lease on it has expired, is still executing", l.Run)
			return 0, false, nil
		}
		// Settling the run has freed the lease, and somebody may have taken it since.
		holder := l
		if l, err = inv.Ledger.Lease(ctx, dataset); err != nil {
			return 0, false, err
		}
		if l.Run == inv.claim && l.State == ledger.LeaseHeld {
			return l.Token, true, nil
		}
		if l.State == ledger.LeaseHeld && l != holder {
			inv.skip(dataset, "%s has just taken its lease", l.Run)
			return 0, false, nil
		}
	}
	err = inv.Ledger.Apply(ctx, ledger.TakeLease(dataset, inv.claim, l, inv.claimEnd()))
	if ledger.Refused(err) {
		inv.skip(dataset, "another invocation has just taken its lease")
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("take the lease: %w", err)
	}
	return l.Token + 1, true, nil
}

// settleHolder tells whether the holder of an expired lease is gone, and records its end if nobody has.
func (inv *invocation) settleHolder(ctx context.Context, holder string) (bool, error) {
	id, attempt, isRun := run.ParseName(holder)
	if !isRun {
		return true, nil
	}
	r, err := inv.Ledger.Run(ctx, id, attempt)
	if ledger.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return inv.settle(ctx, r)
}

// settle compares a run that the ledger believes running with its execution: one that was never started is started, one
// that has ended is recorded. It tells whether the run has ended.
func (inv *invocation) settle(ctx context.Context, r *ledger.Run) (bool, error) {
	if r.State != ledger.RunRunning {
		return true, nil
	}
	execution, found, err := inv.Executions.Describe(ctx, r.Execution)
	if err != nil {
		return false, err
	}
	if !found {
		return inv.startLate(ctx, r)
	}
	state, over := run.StateOf(execution.Status)
	if !over {
		return false, nil
	}
	outcome := run.Outcome{State: state, Error: execution.Error, Cause: execution.Cause}
	if err := inv.Settler.Settle(ctx, r, outcome); err != nil {
		return false, err
	}
	inv.summary.Ended = append(inv.summary.Ended, Ended{r.Name(), state})
	return true, nil
}

// startLate starts a run that was recorded by an invocation that died before it could.
func (inv *invocation) startLate(ctx context.Context, r *ledger.Run) (ended bool, err error) {
	var renewals []ledger.Write
	for dataset, token := range r.Leases {
		renewals = append(renewals, ledger.HandLease(dataset, r.Name(), r.Name(), token, inv.leaseEnd()))
	}
	if len(renewals) > 0 {
		err = inv.Ledger.Apply(ctx, renewals...)
	}
	if ledger.Refused(err) {
		err = inv.Settler.Settle(ctx, r, run.Outcome{State: ledger.RunAborted, Error: "LeaseLost",
			Cause: "a lease of the run had another holder before the execution was started"})
		return err == nil, err
	}
	if err != nil {
		return false, fmt.Errorf("renew the leases of run %s: %w", r.Name(), err)
	}
	taken, err := inv.launch(ctx, r)
	if err != nil {
		return false, err
	}
	if taken {
		return true, inv.abandon(ctx, r)
	}
	return false, nil
}
