// Package redeliver puts the records of failed deliveries back into their stream.
package redeliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Putter puts records into a delivery stream: all of them, or it fails.
type Putter interface {
	Put(ctx context.Context, stream string, records [][]byte) error
}

// Getter reads objects.
type Getter interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Ledger is what redeliver needs of the ledger.
type Ledger interface {
	FailedDeliveries(ctx context.Context, prefix string, each func(contract.Object) (bool, error)) error
	Object(ctx context.Context, inbox, hash string) (ledger.Noticed, error)
	Apply(ctx context.Context, writes ...ledger.Write) error
}

// Handler handles redeliver's events. A failed delivery is marked in the ledger once all its records are back in the
// stream and is not put back again. A crash in between puts records back twice, which the datasets' keys tell.
type Handler struct {
	Bucket string
	// Stream is the name of the delivery stream, Prefix the folder of what it could not deliver.
	Stream, Prefix string
	Ledger         Ledger
	S3             Getter
	Firehose       Putter
	Now            func() time.Time
	// Reserve is the time before the deadline at which no further object is begun.
	Reserve time.Duration
}

// Request is an operator's: everything of the stream that failed, or one object version.
type Request struct {
	Action  string `json:"action"`
	Key     string `json:"key,omitempty"`
	Version string `json:"version,omitempty"`
}

// Summary is the answer. Left counts the objects for which there was no time: send the request again.
type Summary struct {
	Objects int   `json:"objects"`
	Records int64 `json:"records"`
	Left    int   `json:"left"`
}

// Handle puts back what is asked for. Objects that cannot be put back are all named in the error; they stay as they are,
// with the reason in the ledger, and do not hold up the others.
func (h *Handler) Handle(ctx context.Context, request Request) (Summary, error) {
	var summary Summary
	objects, err := h.wanted(ctx, request)
	if err != nil {
		return summary, err
	}
	var problems []error
	for i, o := range objects {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < h.Reserve {
			summary.Left = len(objects) - i
			break
		}
		records, err := h.redeliver(ctx, o)
		if err != nil {
			problems = append(problems, fmt.Errorf("s3://%s/%s version %s: %w", h.Bucket, o.Key, o.Version, err))
			continue
		}
		summary.Objects++
		summary.Records += records
	}
	slog.Info("redelivered", "stream", h.Stream, "objects", summary.Objects, "records", summary.Records, "left", summary.Left, "problems", len(problems))
	if len(problems) > 0 {
		return summary, fmt.Errorf("%d of %d failed deliveries were put back, %d could not be: %w", summary.Objects, len(objects), len(problems), errors.Join(problems...))
	}
	return summary, nil
}

// wanted lists the failed deliveries that are asked for and not put back yet.
func (h *Handler) wanted(ctx context.Context, r Request) ([]contract.Object, error) {
	if r.Action != contract.ActionRedeliver {
		return nil, fmt.Errorf("action: got %q, want %q", r.Action, contract.ActionRedeliver)
	}
	if (r.Key == "") != (r.Version == "") {
		return nil, fmt.Errorf("key %q and version %q: give both for one object, or neither for all that failed", r.Key, r.Version)
	}
	var objects []contract.Object
	if r.Key == "" {
		err := h.Ledger.FailedDeliveries(ctx, h.Prefix, func(o contract.Object) (bool, error) {
			objects = append(objects, o)
			return true, nil
		})
		return objects, err
	}
	if !strings.HasPrefix(r.Key, h.Prefix) {
		return nil, fmt.Errorf("key: got %q; allowed: keys below %s, where stream %s writes what it cannot deliver", r.Key, h.Prefix, h.Stream)
	}
	found, err := h.Ledger.Object(ctx, ledger.Failed, contract.ObjectHash(r.Key, r.Version))
	if ledger.IsNotFound(err) {
		return nil, fmt.Errorf("key %q, version %q: not among the failed deliveries the lake has noticed; reconcile finds objects whose event was lost", r.Key, r.Version)
	}
	if err != nil || found.State != ledger.ObjectFailed {
		return nil, err
	}
	return []contract.Object{found.Object}, nil
}

// redeliver puts one object's records back: it reads the object twice, so that nothing is put of one that is not
// understood to its end.
func (h *Handler) redeliver(ctx context.Context, o contract.Object) (int64, error) {
	var total int64
	err := h.eachBatch(ctx, o, func(batch [][]byte) error {
		for i, r := range batch {
			if len(r) > contract.MaxRecordBytes {
				return fmt.Errorf("record %d has %d bytes: a stream takes at most %d", total+int64(i)+1, len(r), contract.MaxRecordBytes)
			}
		}
		total += int64(len(batch))
		return nil
	})
	if err != nil {
		if noted := h.Ledger.Apply(ctx, ledger.SetNotRedelivered(o, err.Error())); noted != nil && !ledger.Refused(noted) {
			err = errors.Join(err, noted)
		}
		return 0, err
	}
	put := func(batch [][]byte) error { return h.Firehose.Put(ctx, h.Stream, batch) }
	if err := h.eachBatch(ctx, o, put); err != nil {
		return 0, err
	}
	// Refused: another invocation has put the same records back.
	if err := h.Ledger.Apply(ctx, ledger.SetRedelivered(o, total, contract.Time(h.Now()))); err != nil && !ledger.Refused(err) {
		return 0, fmt.Errorf("its %d records are back in the stream, but this could not be recorded: %w", total, err)
	}
	return total, nil
}
