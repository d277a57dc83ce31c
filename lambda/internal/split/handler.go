// Package split hands the records of transaction files to the datasets of their tables: DMS writes the changes of all tables
// into one folder, and each dataset reads a folder of its own.
package split

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/inbox"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/raw"
)

// Manifests gives the current manifest.
type Manifests interface {
	Load(ctx context.Context) (*manifest.Loaded, error)
}

// Store reads and writes the raw bucket.
type Store interface {
	raw.Getter
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// Ledger is what split needs of the ledger.
type Ledger interface {
	Unsplit(ctx context.Context, prefix string, each func(ledger.Unsplit) (bool, error)) error
	UnsplitFile(ctx context.Context, key, version string) (ledger.Unsplit, error)
	Apply(ctx context.Context, writes ...ledger.Write) error
}

// Counter counts metrics.
type Counter interface {
	Count(counts map[string]int64) error
}

// Handler handles split's events. It is idempotent: what it writes of a file is named by the file's version and the bytes
// it holds, and is written once.
type Handler struct {
	Bucket string
	// Prefix is the source's folder; files elsewhere are not this function's.
	Prefix    string
	Manifests Manifests
	Ledger    Ledger
	S3        Store
	Metrics   Counter
	Now       func() time.Time
	// Reserve is the time before the deadline at which no further file is begun.
	Reserve time.Duration
}

// Request is an event of the schedule or an operator: what waits, and what could not be routed under an earlier
// declaration; with Failed, everything that is not split; with key and version, one file whatever its state.
type Request struct {
	Action  string `json:"action"`
	Key     string `json:"key,omitempty"`
	Version string `json:"version,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
}

// Summary is the answer. Split, Unroutable and Failed count files by what became of them; Left counts those for which there
// was no time: send the request again.
type Summary struct {
	Split      int   `json:"split"`
	Records    int64 `json:"records"`
	Unroutable int   `json:"unroutable"`
	Failed     int   `json:"failed"`
	Left       int   `json:"left"`
}

// Handle handles an event: a request, or messages whose bodies are Object Created events.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (any, error) {
	var queue events.SQSEvent
	if err := json.Unmarshal(event, &queue); err == nil && len(queue.Records) > 0 {
		return h.messages(ctx, queue.Records)
	}
	summary, err := h.request(ctx, event)
	if err != nil {
		slog.Error("not split", "error", err.Error())
	}
	return summary, err
}

// messages answers with those that are to be delivered again. A file that cannot be split is noted in the ledger and is no
// reason to do so.
func (h *Handler) messages(ctx context.Context, messages []events.SQSMessage) (events.SQSEventResponse, error) {
	var answer events.SQSEventResponse
	loaded, err := h.Manifests.Load(ctx)
	if err != nil {
		return answer, err
	}
	var summary Summary
	for _, m := range messages {
		if err := h.message(ctx, loaded, m, &summary); err != nil {
			slog.Error("not split", "message", m.MessageId, "error", err.Error())
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return answer, nil
}

func (h *Handler) message(ctx context.Context, loaded *manifest.Loaded, m events.SQSMessage, summary *Summary) error {
	arrival, err := inbox.ParseEvent(m.Body, h.Bucket, h.Now())
	if err != nil {
		return err
	}
	// What else lies in the folder, as a marker does, is for notice to record.
	if inbox.Partition(loaded.Manifest, arrival.Key) != ledger.Transactions {
		return nil
	}
	if _, err := inbox.Arrive(ctx, h.Ledger, ledger.Transactions, []inbox.Arrival{arrival}); err != nil {
		return err
	}
	file, err := h.Ledger.UnsplitFile(ctx, arrival.Key, arrival.Version)
	if err != nil || file.State == ledger.ObjectSplit {
		return err
	}
	return h.file(ctx, loaded, file, summary)
}

func (h *Handler) request(ctx context.Context, event []byte) (Summary, error) {
	var summary Summary
	var r Request
	if err := json.Unmarshal(event, &r); err != nil || r.Action != contract.ActionSplit || (r.Key == "") != (r.Version == "") {
		return summary, fmt.Errorf(`got %s, want {"action": %q, "failed"?: true} or {"action": %q, "key", "version"}`, event, contract.ActionSplit, contract.ActionSplit)
	}
	loaded, err := h.Manifests.Load(ctx)
	if err != nil {
		return summary, err
	}
	files, err := h.wanted(ctx, r, loaded.Hash)
	if err != nil {
		return summary, err
	}
	var problems []error
	for i, f := range files {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < h.Reserve {
			summary.Left = len(files) - i
			break
		}
		if err := h.file(ctx, loaded, f, &summary); err != nil {
			problems = append(problems, fmt.Errorf("s3://%s/%s version %s: %w", h.Bucket, f.Key, f.Version, err))
		}
	}
	slog.Info("split", "files", summary.Split, "records", summary.Records, "unroutable", summary.Unroutable, "failed", summary.Failed,
		"left", summary.Left, "problems", len(problems))
	return summary, errors.Join(problems...)
}

// wanted lists the files that a request asks for.
func (h *Handler) wanted(ctx context.Context, r Request, declared string) ([]ledger.Unsplit, error) {
	if r.Key != "" {
		if !strings.HasPrefix(r.Key, h.Prefix) {
			return nil, fmt.Errorf("key: got %q; allowed: keys below %s", r.Key, h.Prefix)
		}
		file, err := h.Ledger.UnsplitFile(ctx, r.Key, r.Version)
		if ledger.IsNotFound(err) {
			return nil, fmt.Errorf("key %q, version %q: not among the transaction files the lake has noticed; reconcile finds objects whose event was lost", r.Key, r.Version)
		}
		if err != nil || file.State == ledger.ObjectSplit {
			return nil, err
		}
		return []ledger.Unsplit{file}, nil
	}
	var files []ledger.Unsplit
	err := h.Ledger.Unsplit(ctx, h.Prefix, func(f ledger.Unsplit) (bool, error) {
		if r.Failed || f.State == ledger.ObjectPending || f.State == ledger.ObjectUnroutable && f.Manifest != declared {
			files = append(files, f)
		}
		return true, nil
	})
	return files, err
}
