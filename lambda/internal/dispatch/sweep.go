package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// sweep compares every live run with its execution: what was recorded but never started is started, what ended without
// being recorded is recorded. The drain that follows resumes what that leaves open.
func (inv *invocation) sweep(ctx context.Context) error {
	live, err := inv.Ledger.Live(ctx)
	if err != nil {
		return fmt.Errorf("list live runs: %w", err)
	}
	var problems []error
	for _, r := range live {
		if inv.short() {
			break
		}
		if _, err := inv.settle(ctx, r); err != nil {
			problems = append(problems, fmt.Errorf("run %s: %w", r.Name(), err))
		}
	}
	return errors.Join(problems...)
}

// wantPublish makes the next run publish, and starts one if none is going to.
func (inv *invocation) wantPublish(ctx context.Context) error {
	if err := inv.Ledger.Apply(ctx, ledger.WantPublish()); err != nil {
		return fmt.Errorf("set the publish mark: %w", err)
	}
	return nil
}
