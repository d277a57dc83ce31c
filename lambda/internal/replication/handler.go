// Package replication is the controller of one source's DMS Serverless replication. DMS starts nothing by itself, resumes
// nothing that has failed, and leaves no mark on S3 when a table is loaded: the controller does these. It is called every
// minute and looks at everything anew, so that whatever an interruption leaves undone is done by the next call.
package replication

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
)

// DMS is what the controller needs of the service.
type DMS interface {
	DescribeReplications(context.Context, *dms.DescribeReplicationsInput, ...func(*dms.Options)) (*dms.DescribeReplicationsOutput, error)
	DescribeReplicationTableStatistics(context.Context, *dms.DescribeReplicationTableStatisticsInput, ...func(*dms.Options)) (*dms.DescribeReplicationTableStatisticsOutput, error)
	StartReplication(context.Context, *dms.StartReplicationInput, ...func(*dms.Options)) (*dms.StartReplicationOutput, error)
	StopReplication(context.Context, *dms.StopReplicationInput, ...func(*dms.Options)) (*dms.StopReplicationOutput, error)
	DeleteReplicationConfig(context.Context, *dms.DeleteReplicationConfigInput, ...func(*dms.Options)) (*dms.DeleteReplicationConfigOutput, error)
}

// Lister lists a bucket.
type Lister interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
}

// Ledger is what the controller needs of the ledger.
type Ledger interface {
	Replication(ctx context.Context, source string) (ledger.Replication, error)
	Loads(ctx context.Context, dataset string) (map[int]ledger.Load, error)
	LoadObjects(ctx context.Context, dataset string, generation int) (map[string]string, error)
	Apply(ctx context.Context, writes ...ledger.Write) error
}

// Manifests gives the current manifest.
type Manifests interface {
	Load(ctx context.Context) (*manifest.Loaded, error)
}

// Waker wakes dispatch.
type Waker interface {
	Wake(ctx context.Context) error
}

// Counter counts metrics.
type Counter interface {
	Count(counts map[string]int64) error
}

// Handler is the controller of one source.
type Handler struct {
	// Source is the source's id, Config the ARN of the DMS configuration of its Generation, Mode one of contract's.
	Source, Config, Mode string
	Generation           int
	// Bucket is the raw bucket.
	Bucket    string
	Manifests Manifests
	Ledger    Ledger
	DMS       DMS
	S3        Lister
	Waker     Waker
	Metrics   Counter
	Now       func() time.Time
}

// Request is an event of the controller.
type Request struct {
	Action string `json:"action"`
}

// Summary is what a call saw and did.
type Summary struct {
	Source     string `json:"source"`
	Generation int    `json:"generation"`
	Status     string `json:"status"`
	Paused     bool   `json:"paused"`
	// Did is what was asked of DMS: start-replication, resume-processing, reload-target, stop, or nothing.
	Did string `json:"did,omitempty"`
	// Message says what DMS said of a failure, Mend what to do about it, NextTry when the next start is made at the
	// earliest. Log is the log group where DMS says more.
	Message string `json:"message,omitempty"`
	Mend    string `json:"mend,omitempty"`
	NextTry string `json:"next_try,omitempty"`
	Log     string `json:"log"`
	// Loads are the tables' loads by dataset, Broken the tables that are not replicated.
	Loads  map[string]string `json:"loads"`
	Broken map[string]string `json:"broken,omitempty"`
	// Retired are configurations of earlier generations that still exist.
	Retired []string `json:"retired,omitempty"`
}

const usage = `want {"action": "reconcile"}, {"action": "stop"} or {"action": "start"}`

// Handle handles a request: stop and start set and clear the operator's mark; every request then brings the replication
// to what is wanted, as far as can be done now.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (*Summary, error) {
	request, err := parse(event)
	if err != nil {
		return nil, err
	}
	if request.Action != contract.ActionReconcile {
		if err := h.mark(ctx, request.Action == contract.ActionStop); err != nil {
			return nil, err
		}
	}
	summary, err := h.reconcile(ctx, request.Action)
	if err != nil {
		slog.Error("not reconciled", "source", h.Source, "error", err.Error())
		return nil, errors.Join(err, h.Metrics.Count(map[string]int64{contract.ReplicationErrors: 1}))
	}
	slog.Info("reconciled", "source", h.Source, "generation", h.Generation, "status", summary.Status, "paused", summary.Paused,
		"did", summary.Did, "message", summary.Message, "mend", summary.Mend, "broken", summary.Broken)
	return summary, nil
}

func parse(event []byte) (Request, error) {
	var r Request
	dec := json.NewDecoder(bytes.NewReader(event))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return r, fmt.Errorf("request: %s; %s", strings.TrimPrefix(err.Error(), "json: "), usage)
	}
	switch r.Action {
	case contract.ActionReconcile, contract.ActionStop, contract.ActionStart:
		return r, nil
	}
	return r, fmt.Errorf("request: action: got %q; %s", r.Action, usage)
}

// tries bounds how often a record that another call is changing is read again.
const tries = 5

// mark sets or clears the operator's mark. A start also forgets the failures, so that nothing waits.
func (h *Handler) mark(ctx context.Context, paused bool) error {
	for range tries {
		r, err := h.Ledger.Replication(ctx, h.Source)
		if err != nil {
			return err
		}
		if r.Paused != paused {
			r.PausedAt = ""
			if paused {
				r.PausedAt = contract.Time(h.Now())
			}
		}
		r.Paused = paused
		if !paused {
			r.Failures, r.NextTry = 0, ""
		}
		err = h.Ledger.Apply(ctx, ledger.PutReplication(r))
		if !ledger.Refused(err) {
			return err
		}
	}
	return fmt.Errorf("mark the replication of %s: its record was changed by others %d times; ask again", h.Source, tries)
}
