package ledger

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/strata-cdk/strata/lambda/contract"
)

// States of a run.
const (
	RunRunning   = "running"
	RunSucceeded = "succeeded"
	RunFailed    = "failed"
	RunAborted   = "aborted"
	RunTimedOut  = "timed_out"
)

// Run is the record of a run's attempt.
type Run struct {
	ID      string
	Attempt int
	State   string
	Batches []string
	// Leases holds the token of each dataset's lease.
	Leases            map[string]int64
	Execution, RunURI string
	StartedAt         string
	Error, Cause      string
	// Publish is the publish mark's count that the run's publish serves, 0 if it has none to do.
	Publish  int64
	Notified bool
}

// Name is the run's name as leases, batches and Step Functions know it.
func (r *Run) Name() string { return contract.ExecutionName(r.ID, r.Attempt) }

// Run reads the record of a run's attempt.
func (t *Table) Run(ctx context.Context, id string, attempt int) (*Run, error) {
	item, err := t.get(ctx, RunKey(id, attempt))
	if err != nil {
		return nil, err
	}
	return &Run{ID: id, Attempt: attempt, State: item.text("state"), Batches: item.texts("batches"), Leases: item.numbers("leases"),
		Execution: item.text("execution"), RunURI: item.text("run_uri"), StartedAt: item.text("started_at"),
		Error: item.text("error"), Cause: item.text("cause"), Publish: item.number("publish"), Notified: item.flag("notified")}, nil
}

// LastAttempt is the highest attempt recorded of a run, 0 if there is none.
func (t *Table) LastAttempt(ctx context.Context, id string) (int, error) {
	cond := "#pk = :pk"
	last := 0
	err := t.pages(ctx, &dynamodb.QueryInput{KeyConditionExpression: &cond, ExpressionAttributeNames: names(cond),
		ExpressionAttributeValues: placeholders(Values{"pk": runPK(id)}), ConsistentRead: aws.Bool(true),
		ScanIndexForward: aws.Bool(false), Limit: aws.Int32(1)},
		func(i Item) (bool, error) {
			n, err := strconv.Atoi(i.text("sk"))
			if err != nil {
				return false, fmt.Errorf("attempt of run %s: %w", id, err)
			}
			last = n
			return false, nil
		})
	return last, err
}

// Live returns the runs whose outcome is not recorded.
func (t *Table) Live(ctx context.Context) ([]*Run, error) {
	var live []*Run
	err := t.query(ctx, livePK, "", func(i Item) (bool, error) {
		run, err := t.Run(ctx, i.text("run"), int(i.number("attempt")))
		if err != nil {
			return false, fmt.Errorf("live run: %w", err)
		}
		live = append(live, run)
		return true, nil
	})
	return live, err
}

// CreateRun records a run as running.
func CreateRun(r *Run) []Write {
	return []Write{
		Create(RunKey(r.ID, r.Attempt), Values{"state": RunRunning, "batches": r.Batches, "leases": r.Leases,
			"execution": r.Execution, "run_uri": r.RunURI, "started_at": r.StartedAt}),
		Put(LiveKey(r.ID, r.Attempt), Values{"run": r.ID, "attempt": r.Attempt}, "", nil),
	}
}

// EndRun records the outcome of a running run.
func EndRun(r *Run, state, errorName, cause, now string) []Write {
	set := "SET #state = :to, #ended_at = :now"
	values := Values{"to": state, "now": now, "running": RunRunning}
	if errorName != "" || cause != "" {
		set += ", #error = :error, #cause = :cause"
		values["error"], values["cause"] = errorName, cause
	}
	return []Write{
		Update(RunKey(r.ID, r.Attempt), set, "#state = :running", values),
		Delete(LiveKey(r.ID, r.Attempt), "", nil),
	}
}

// SetNotified claims the right to tell people about the run, or gives it back.
func SetNotified(r *Run, to bool) Write {
	cond := "attribute_exists(#pk)"
	if to {
		cond += " AND (attribute_not_exists(#notified) OR #notified = :no)"
		return Update(RunKey(r.ID, r.Attempt), "SET #notified = :yes", cond, Values{"yes": true, "no": false})
	}
	return Update(RunKey(r.ID, r.Attempt), "SET #notified = :no", cond, Values{"no": false})
}

// SetPublish keeps which count of the publish mark the run's publish serves.
func SetPublish(r *Run, n int64) Write {
	return Update(RunKey(r.ID, r.Attempt), "SET #publish = :n", "#state = :running", Values{"n": n, "running": RunRunning})
}

// Publish is the publish mark.
type Publish struct {
	N       int64
	Attempt int
}

// PublishWanted reads the publish mark; N is 0 if there is none.
func (t *Table) PublishWanted(ctx context.Context) (Publish, error) {
	item, err := t.get(ctx, DirtyKey(PublishMark))
	if IsNotFound(err) {
		return Publish{}, nil
	}
	if err != nil {
		return Publish{}, err
	}
	return Publish{N: item.number("n"), Attempt: int(item.number("attempt"))}, nil
}

// WantPublish counts the publish mark up and starts its attempts anew.
func WantPublish() Write {
	return Update(DirtyKey(PublishMark), "ADD #n :one SET #attempt = :zero", "", Values{"one": 1, "zero": 0})
}

// ChargePublish counts a run that is started for the mark alone.
func ChargePublish(p Publish) Write {
	return Update(DirtyKey(PublishMark), "SET #attempt = :next", "#n = :n AND #attempt = :attempt",
		Values{"next": p.Attempt + 1, "n": p.N, "attempt": p.Attempt})
}

// Published removes the publish mark unless it was counted up since.
func Published(n int64) Write { return Delete(DirtyKey(PublishMark), "#n = :n", Values{"n": n}) }

// WorkLeft tells whether an open batch, a dirty mark or a publish mark with attempts left waits for dispatch.
func (t *Table) WorkLeft(ctx context.Context, maxAttempts int) (bool, error) {
	open, err := t.any(ctx, openPK, nil)
	if err != nil || open {
		return open, err
	}
	return t.any(ctx, dirtyPK, func(i Item) bool {
		return i.text("sk") != PublishMark || i.number("attempt") < int64(maxAttempts)
	})
}
