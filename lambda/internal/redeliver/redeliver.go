// Package redeliver puts records back into their stream: those of failed deliveries, and those that landed under no name
// of their own, once their datasets are declared.
package redeliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/raw"
)

// Putter puts records into a delivery stream: all of them, or it fails.
type Putter interface {
	Put(ctx context.Context, stream string, records [][]byte) error
}

// Ledger is what redeliver needs of the ledger.
type Ledger interface {
	Undelivered(ctx context.Context, partition, prefix string, each func(contract.Object) (bool, error)) error
	Object(ctx context.Context, inbox, hash string) (ledger.Noticed, error)
	Apply(ctx context.Context, writes ...ledger.Write) error
}

// Handler handles redeliver's events. An object is marked in the ledger once all its records are back in the stream and
// is not put back again. A crash in between puts records back twice, which the datasets' keys tell.
type Handler struct {
	Bucket string
	// Stream is the name of the delivery stream, Errors the folder of what it could not deliver, Unrouted the folder of
	// records whose names got none of their own.
	Stream, Errors, Unrouted string
	Ledger                   Ledger
	S3                       raw.Getter
	Firehose                 Putter
	Now                      func() time.Time
	// Reserve is the time before the deadline at which no further object is begun.
	Reserve time.Duration
}

// Request is an operator's: everything of the stream that failed, or what lies below a prefix, or one object version.
// What lies below Unrouted is put back only when a prefix or a key asks for it: before its datasets are declared it would
// only land there again.
type Request struct {
	Action  string `json:"action"`
	Prefix  string `json:"prefix,omitempty"`
	Key     string `json:"key,omitempty"`
	Version string `json:"version,omitempty"`
}

// source is an object whose records are to be put back, with the ledger's partition in which it stands.
type source struct {
	contract.Object
	partition string
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
		return summary, fmt.Errorf("%d of %d objects were put back, %d could not be: %w", summary.Objects, len(objects), len(problems), errors.Join(problems...))
	}
	return summary, nil
}

// wanted lists the objects that are asked for and not put back yet.
func (h *Handler) wanted(ctx context.Context, r Request) ([]source, error) {
	if r.Action != contract.ActionRedeliver {
		return nil, fmt.Errorf("action: got %q, want %q", r.Action, contract.ActionRedeliver)
	}
	if (r.Key == "") != (r.Version == "") || r.Key != "" && r.Prefix != "" {
		return nil, fmt.Errorf("prefix %q, key %q and version %q: give key and version for one object, or a prefix, or none of them for all that failed",
			r.Prefix, r.Key, r.Version)
	}
	if r.Key != "" {
		return h.one(ctx, r.Key, r.Version)
	}
	prefix := cmp.Or(r.Prefix, h.Errors)
	partition, err := h.partition("prefix", prefix)
	if err != nil {
		return nil, err
	}
	var objects []source
	err = h.Ledger.Undelivered(ctx, partition, prefix, func(o contract.Object) (bool, error) {
		objects = append(objects, source{o, partition})
		return true, nil
	})
	return objects, err
}

// one is the object version, or nothing if it is put back already.
func (h *Handler) one(ctx context.Context, key, version string) ([]source, error) {
	partition, err := h.partition("key", key)
	if err != nil {
		return nil, err
	}
	found, err := h.Ledger.Object(ctx, partition, contract.ObjectHash(key, version))
	if ledger.IsNotFound(err) {
		return nil, fmt.Errorf("key %q, version %q: not among the objects of that folder the lake has noticed; reconcile finds objects whose event was lost", key, version)
	}
	if err != nil || found.State == ledger.ObjectRedelivered {
		return nil, err
	}
	return []source{{found.Object, partition}}, nil
}

// partition is where the ledger keeps the objects of a folder.
func (h *Handler) partition(field, key string) (string, error) {
	switch {
	case strings.HasPrefix(key, h.Errors):
		return ledger.Failed, nil
	case strings.HasPrefix(key, h.Unrouted):
		return ledger.Unroutable, nil
	}
	return "", fmt.Errorf("%s: got %q; allowed: below %s, where stream %s writes what it cannot deliver, or below %s, where records lie whose names got no folder of their own",
		field, key, h.Errors, h.Stream, h.Unrouted)
}

// redeliver puts one object's records back: it reads the object twice, so that nothing is put of one that is not
// understood to its end.
func (h *Handler) redeliver(ctx context.Context, o source) (int64, error) {
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
		if noted := h.Ledger.Apply(ctx, ledger.SetNotRedelivered(o.partition, o.Object, err.Error())); noted != nil && !ledger.Refused(noted) {
			err = errors.Join(err, noted)
		}
		return 0, err
	}
	put := func(batch [][]byte) error { return h.Firehose.Put(ctx, h.Stream, batch) }
	if err := h.eachBatch(ctx, o, put); err != nil {
		return 0, err
	}
	// Refused: another invocation has put the same records back.
	if err := h.Ledger.Apply(ctx, ledger.SetRedelivered(o.partition, o.Object, total, contract.Time(h.Now()))); err != nil && !ledger.Refused(err) {
		return 0, fmt.Errorf("its %d records are back in the stream, but this could not be recorded: %w", total, err)
	}
	return total, nil
}
