// Package dispatch turns landed objects into runs: it freezes what is pending into batches under the datasets' leases,
// starts the state machine on them, and finds again whatever an interruption left behind.
package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/env"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/raw"
	"github.com/strata-cdk/strata/lambda/internal/run"
)

// Manifests gives the current manifest.
type Manifests interface {
	Load(ctx context.Context) (*manifest.Loaded, error)
}

// Limits bound batches and attempts.
type Limits struct {
	Lease                 time.Duration
	MaxAttempts           int
	BatchObjects          int
	BatchBytes            int64
	DatasetsPerRun        int
	ReserveBeforeDeadline time.Duration
}

// DatasetsPerRun is how many leases may change hands in one transaction, with the run's own records and room to spare.
const DatasetsPerRun = 90

// Handler handles dispatch's events. All its work may be cut short anywhere and repeated by any other invocation.
type Handler struct {
	Lake      string
	Ledger    *ledger.Table
	Artifacts *artifacts.Store
	// Raw reads the files of corrections in RawBucket.
	Raw        raw.Getter
	RawBucket  string
	Manifests  Manifests
	Executions Executions
	Settler    *run.Settler
	Limits     Limits
	Now        func() time.Time
	// NewClaim makes the id under which an invocation holds leases.
	NewClaim func() string
}

// Summary is what an invocation did.
type Summary struct {
	Runs      []Started `json:"runs"`
	Ended     []Ended   `json:"ended,omitempty"`
	Exhausted []string  `json:"exhausted_batches,omitempty"`
	Skipped   []Skipped `json:"skipped,omitempty"`
	Held      []Held    `json:"held,omitempty"`
	// Incomplete says that time ran short; the rest is left to the next wake or sweep.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Started is a run that was started.
type Started struct {
	Run      string   `json:"run"`
	Batches  []string `json:"batches"`
	Datasets []string `json:"datasets"`
}

// Ended is a run whose end had not been recorded.
type Ended struct {
	Run   string `json:"run"`
	State string `json:"state"`
}

// Skipped is a dataset that was left alone.
type Skipped struct {
	Dataset string `json:"dataset"`
	Reason  string `json:"reason"`
}

// invocation is the state of one call.
type invocation struct {
	*Handler
	claim        string
	manifest     *manifest.Loaded
	manifestKept bool
	stopAt       time.Time
	claimFor     time.Duration
	summary      Summary
}

func (h *Handler) begin(ctx context.Context) (*invocation, error) {
	loaded, err := h.Manifests.Load(ctx)
	if err != nil {
		return nil, err
	}
	inv := &invocation{Handler: h, claim: "claim-" + h.NewClaim(), manifest: loaded, claimFor: h.Limits.Lease, summary: Summary{Runs: []Started{}}}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		// An invocation cannot outlive its deadline, so neither need its claims: what it leaves is taken over sooner.
		inv.claimFor = min(inv.claimFor, left+claimSlack)
		inv.stopAt = deadline.Add(-min(h.Limits.ReserveBeforeDeadline, left/3))
	}
	return inv, nil
}

// short tells whether the invocation should stop taking on work and start what it has.
func (inv *invocation) short() bool {
	if !inv.stopAt.IsZero() && time.Now().After(inv.stopAt) {
		inv.summary.Incomplete = true
	}
	return inv.summary.Incomplete
}

func (inv *invocation) skip(dataset, format string, args ...any) {
	inv.summary.Skipped = append(inv.summary.Skipped, Skipped{dataset, fmt.Sprintf(format, args...)})
}

// claimSlack covers clocks that differ.
const claimSlack = 5 * time.Second

// leaseEnd is the epoch second at which a lease given to a run now expires.
func (inv *invocation) leaseEnd() int64 { return inv.Now().Add(inv.Limits.Lease).Unix() }

// claimEnd is the epoch second at which a lease that the invocation takes now expires.
func (inv *invocation) claimEnd() int64 { return inv.Now().Add(inv.claimFor).Unix() }

// LimitsFrom takes the limits from the environment.
func LimitsFrom(v env.Vars) Limits {
	return Limits{
		Lease:                 time.Duration(v.Int(contract.LeaseSeconds)) * time.Second,
		MaxAttempts:           int(v.Int(contract.MaxAttempts)),
		BatchObjects:          int(v.Int(contract.MaxBatchObjects)),
		BatchBytes:            v.Int(contract.MaxBatchBytes),
		DatasetsPerRun:        DatasetsPerRun,
		ReserveBeforeDeadline: 30 * time.Second,
	}
}
