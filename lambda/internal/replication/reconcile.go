package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"
	"github.com/aws/smithy-go"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// reconcile compares what there is with what is wanted. The record is written before DMS is asked for anything, so that a
// call which is cut short waits before the next start and never starts in a loop.
func (h *Handler) reconcile(ctx context.Context, asked string) (*Summary, error) {
	record, err := h.Ledger.Replication(ctx, h.Source)
	if err != nil {
		return nil, err
	}
	h.adopt(&record)
	replication, found, err := h.describe(ctx, h.Config)
	if err != nil {
		return nil, err
	}
	if !found {
		replication = types.Replication{ReplicationConfigArn: &h.Config, Status: aws.String(statusMissing)}
	}
	tables, err := h.tables(ctx)
	if err != nil {
		return nil, err
	}
	loadErr := h.loads(ctx, tables)
	v := view{mode: h.Mode, replication: replication, record: record, loaded: allLoaded(tables), asked: asked, now: h.Now()}
	did, err := h.act(ctx, &v, tables)
	if err != nil {
		return nil, errors.Join(loadErr, err)
	}
	if err := errors.Join(loadErr, h.retire(ctx, &v)); err != nil {
		return nil, err
	}
	return h.summary(v, tables, did), nil
}

// adopt makes the declared configuration the record's; the one it had is of an earlier generation now.
func (h *Handler) adopt(r *ledger.Replication) {
	if r.Config == h.Config {
		return
	}
	now := contract.Time(h.Now())
	if r.Config != "" {
		r.Retired = append(r.Retired, ledger.Retired{Config: r.Config, Since: now})
	}
	r.Retired = slices.DeleteFunc(r.Retired, func(o ledger.Retired) bool { return o.Config == h.Config })
	r.Config, r.Generation = h.Config, h.Generation
	r.Status, r.Since, r.Failures, r.NextTry, r.Failure, r.Message, r.Tables = "", "", 0, "", "", "", nil
	r.Progress, r.ProgressAt = "", ""
}

// act tells what is wrong, writes down what it saw, and asks DMS for what is wanted.
func (h *Handler) act(ctx context.Context, v *view, tables []*table) (did string, err error) {
	before := v.record
	r := &v.record
	now := contract.Time(v.now)
	if r.Status != v.status() {
		r.Status, r.Since = v.status(), now
	}
	running := h.runningFor(*v)
	if running >= settled {
		r.Failures, r.NextTry = 0, ""
	}
	if p := progress(v.status(), tables); p != r.Progress || r.ProgressAt == "" {
		r.Progress, r.ProgressAt = p, now
	}
	r.Tables = broken(tables, running, h.stillFor(*r, v.now))
	id, message := v.failure()
	counts := map[string]int64{contract.ReplicationTableErrors: int64(len(r.Tables))}
	// An operator who resumes knows that it is stopped.
	if told := v.asked == contract.ActionStart; v.down() && !told {
		counts[contract.ReplicationStopped] = 1
		if id != r.Failure {
			counts[contract.ReplicationErrors] = 1
		}
	}
	r.Failure, r.Message = id, message
	did = v.want()
	if did != "" && did != stop {
		r.Failures++
		r.NextTry = contract.Time(v.now.Add(wait(r.Failures)))
	}
	// Counted first: what is counted twice is noticed, what is never counted is not.
	if err := h.Metrics.Count(counts); err != nil {
		return "", err
	}
	if same(before, *r) && before.Revision > 0 {
		return h.ask(ctx, *v, did)
	}
	err = h.Ledger.Apply(ctx, ledger.PutReplication(*r))
	if ledger.Refused(err) { // another call has seen something newer and does what is to be done
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("write the record of %s: %w", h.Source, err)
	}
	r.Revision++
	return h.ask(ctx, *v, did)
}

// stillFor is how long the loads under way have made no progress.
func (h *Handler) stillFor(r ledger.Replication, now time.Time) time.Duration {
	since, err := time.Parse(contract.TimeLayout, r.ProgressAt)
	if err != nil || r.Progress == "" {
		return 0
	}
	return now.Sub(since)
}

// runningFor is how long the replication is known to have been running.
func (h *Handler) runningFor(v view) time.Duration {
	since, err := time.Parse(contract.TimeLayout, v.record.Since)
	if v.status() != statusRunning || err != nil {
		return 0
	}
	return v.now.Sub(since)
}

func same(a, b ledger.Replication) bool {
	return a.Status == b.Status && a.Failures == b.Failures && a.NextTry == b.NextTry && a.Failure == b.Failure && a.Message == b.Message &&
		a.Config == b.Config && a.Progress == b.Progress && slices.Equal(a.Tables, b.Tables) && slices.Equal(a.Retired, b.Retired)
}

// ask asks DMS to start or stop, and tells what it asked. That DMS's state has changed meanwhile is left to the next call.
func (h *Handler) ask(ctx context.Context, v view, did string) (string, error) {
	if did == "" {
		return "", nil
	}
	err := h.call(ctx, did)
	if did != stop && hasCode(err, "InvalidParameterCombination") {
		slog.Warn("DMS takes another kind of start", "asked", did, "replication", h.Config, "error", err.Error())
		did = v.otherStart(did)
		err = h.call(ctx, did)
	}
	var state *types.InvalidResourceStateFault
	if errors.As(err, &state) {
		slog.Warn("DMS refuses for now", "asked", did, "replication", h.Config, "error", err.Error())
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s of replication %s: %w", did, h.Config, err)
	}
	return did, nil
}

func (h *Handler) call(ctx context.Context, did string) error {
	if did == stop {
		_, err := h.DMS.StopReplication(ctx, &dms.StopReplicationInput{ReplicationConfigArn: &h.Config})
		return err
	}
	_, err := h.DMS.StartReplication(ctx, &dms.StartReplicationInput{ReplicationConfigArn: &h.Config, StartReplicationType: &did})
	return err
}

// hasCode tells whether err is an error of the service whose code begins so; the SDK has no type for all of them.
func hasCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && strings.HasPrefix(api.ErrorCode(), code)
}

func allLoaded(tables []*table) bool {
	return !slices.ContainsFunc(tables, func(t *table) bool { return t.load.State != ledger.LoadComplete })
}

func (h *Handler) summary(v view, tables []*table, did string) *Summary {
	s := &Summary{Source: h.Source, Generation: h.Generation, Status: v.status(), Paused: v.record.Paused, Did: did,
		Message: v.record.Message, Mend: v.mend(logOf(h.Config)), NextTry: v.record.NextTry, Log: logOf(h.Config), Loads: map[string]string{}}
	for _, t := range tables {
		s.Loads[t.dataset] = t.load.State
	}
	for _, b := range v.record.Tables {
		if s.Broken == nil {
			s.Broken = map[string]string{}
		}
		s.Broken[b.Table] = b.State
	}
	if s.Mend == "" {
		s.Mend = mendTables(s.Broken, s.Log)
	}
	for _, o := range v.record.Retired {
		s.Retired = append(s.Retired, o.Config)
	}
	return s
}
