// Package reconcile compares the raw bucket with the inbox and tells notice about what is missing there: events get
// lost or come late, and objects may be older than the stack.
package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/inbox"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
)

// Lister lists a bucket.
type Lister interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
}

// Sender sends queue messages.
type Sender interface {
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Invoker invokes functions.
type Invoker interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Manifests gives the current manifest.
type Manifests interface {
	Load(ctx context.Context) (*manifest.Loaded, error)
}

// Ledger is what reconcile needs of the ledger.
type Ledger interface {
	Existing(ctx context.Context, keys []ledger.Key) (map[ledger.Key]bool, error)
	Cursor(ctx context.Context) (*ledger.Marker, error)
	Apply(ctx context.Context, writes ...ledger.Write) error
}

// Handler handles reconcile's events. It writes nothing but messages and its cursor, so it may be repeated.
type Handler struct {
	Bucket    string
	QueueURL  string
	Function  string
	Manifests Manifests
	Ledger    Ledger
	S3        Lister
	SQS       Sender
	Lambda    Invoker
	Now       func() time.Time
	// Reserve is the time before the deadline at which the rest is left to another invocation.
	Reserve time.Duration
}

// Request is an event of reconcile. Without a marker it goes on where an interrupted pass stopped, else from the start.
type Request struct {
	Action string         `json:"action"`
	Marker *ledger.Marker `json:"marker,omitempty"`
}

// Reserve is the reserve of a deployed function.
const Reserve = time.Minute

// Summary is what an invocation saw and did.
type Summary struct {
	// Listed counts object versions; delete markers are no objects.
	Listed int `json:"listed"`
	// Known were in the inbox, Missing were not in any, Claimed were unroutable and have a dataset now.
	Known   int `json:"known"`
	Missing int `json:"missing"`
	Claimed int `json:"claimed"`
	// Complete says that the end of the bucket was reached; else Marker is where the next invocation, which was
	// started, goes on.
	Complete bool           `json:"complete"`
	Marker   *ledger.Marker `json:"marker,omitempty"`
}

// Handle handles a request.
func (h *Handler) Handle(ctx context.Context, request Request) (Summary, error) {
	summary, err := h.handle(ctx, request)
	if err != nil {
		slog.Error("not reconciled", "listed", summary.Listed, "error", err.Error())
		return summary, err
	}
	slog.Info("reconciled", "listed", summary.Listed, "missing", summary.Missing, "claimed", summary.Claimed, "complete", summary.Complete)
	return summary, nil
}

func (h *Handler) handle(ctx context.Context, request Request) (Summary, error) {
	var summary Summary
	if request.Action != contract.ActionReconcile {
		return summary, fmt.Errorf(`action: got %q, want {"action": %q, "marker"?: {"key", "version"}}`, request.Action, contract.ActionReconcile)
	}
	loaded, err := h.Manifests.Load(ctx)
	if err != nil {
		return summary, err
	}
	marker := request.Marker
	if marker == nil {
		if marker, err = h.Ledger.Cursor(ctx); err != nil {
			return summary, fmt.Errorf("read the cursor: %w", err)
		}
	}
	for {
		next, err := h.page(ctx, loaded, marker, &summary)
		if err != nil {
			return summary, err
		}
		if next == nil {
			summary.Complete = true
			return summary, h.Ledger.Apply(ctx, ledger.DeleteCursor())
		}
		marker = next
		if err := h.Ledger.Apply(ctx, ledger.SetCursor(marker)); err != nil {
			return summary, fmt.Errorf("keep the cursor: %w", err)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < h.Reserve {
			summary.Marker = marker
			return summary, h.goOn(ctx, marker)
		}
	}
}

// page compares one page of the listing and returns where the next begins, nil at the end.
func (h *Handler) page(ctx context.Context, loaded *manifest.Loaded, at *ledger.Marker, summary *Summary) (*ledger.Marker, error) {
	in := &s3.ListObjectVersionsInput{Bucket: &h.Bucket}
	if at != nil {
		in.KeyMarker = aws.String(at.Key)
		if at.Version != "" {
			in.VersionIdMarker = aws.String(at.Version)
		}
	}
	out, err := h.S3.ListObjectVersions(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("list s3://%s from %+v: %w", h.Bucket, at, err)
	}
	missing, err := h.missing(ctx, loaded, out.Versions, summary)
	if err != nil {
		return nil, err
	}
	if err := h.send(ctx, missing); err != nil {
		return nil, err
	}
	if !aws.ToBool(out.IsTruncated) {
		return nil, nil
	}
	return &ledger.Marker{Key: aws.ToString(out.NextKeyMarker), Version: aws.ToString(out.NextVersionIdMarker)}, nil
}

func (h *Handler) missing(ctx context.Context, loaded *manifest.Loaded, versions []s3types.ObjectVersion, summary *Summary) ([]s3types.ObjectVersion, error) {
	here := make([]ledger.Key, len(versions))
	var keys []ledger.Key
	for i, v := range versions {
		hash := contract.ObjectHash(aws.ToString(v.Key), versionOf(v))
		partition := inbox.Partition(loaded.Manifest, aws.ToString(v.Key))
		here[i] = ledger.ObjectKey(partition, hash)
		keys = append(keys, here[i])
		if partition != ledger.Unroutable {
			keys = append(keys, ledger.ObjectKey(ledger.Unroutable, hash))
		}
	}
	held, err := h.Ledger.Existing(ctx, keys)
	if err != nil {
		return nil, err
	}
	var missing []s3types.ObjectVersion
	for i, v := range versions {
		summary.Listed++
		if held[here[i]] {
			summary.Known++
			continue
		}
		if held[ledger.ObjectKey(ledger.Unroutable, contract.ObjectHash(aws.ToString(v.Key), versionOf(v)))] {
			summary.Claimed++
		} else {
			summary.Missing++
		}
		missing = append(missing, v)
	}
	return missing, nil
}

// versionOf is the version as events name it; objects from before versioning have the version "null" in both.
func versionOf(v s3types.ObjectVersion) string {
	if id := aws.ToString(v.VersionId); id != "" {
		return id
	}
	return "null"
}

// perSend is SQS's bound on the entries of one call.
const perSend = 10

func (h *Handler) send(ctx context.Context, versions []s3types.ObjectVersion) error {
	for start := 0; start < len(versions); start += perSend {
		var entries []sqstypes.SendMessageBatchRequestEntry
		for i, v := range versions[start:min(start+perSend, len(versions))] {
			body, err := h.event(v)
			if err != nil {
				return fmt.Errorf("render the event of %s: %w", aws.ToString(v.Key), err)
			}
			entries = append(entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(body)})
		}
		out, err := h.SQS.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &h.QueueURL, Entries: entries})
		if err != nil {
			return fmt.Errorf("send %d events to the notice queue: %w", len(entries), err)
		}
		if len(out.Failed) > 0 {
			f := out.Failed[0]
			return fmt.Errorf("send events to the notice queue: %d of %d refused; the first: %s: %s", len(out.Failed), len(entries),
				aws.ToString(f.Code), aws.ToString(f.Message))
		}
	}
	return nil
}

func (h *Handler) event(v s3types.ObjectVersion) (string, error) {
	e := contract.ObjectEvent{Version: "0", ID: newID(), DetailType: contract.ObjectCreated, Source: contract.SourceReconcile,
		Time: h.Now().UTC().Format(time.RFC3339), Resources: []string{}, Detail: contract.ObjectDetail{Version: "0",
			Bucket: contract.EventBucket{Name: h.Bucket}, Object: contract.EventObject{Key: aws.ToString(v.Key), Size: aws.ToInt64(v.Size),
				ETag: strings.Trim(aws.ToString(v.ETag), `"`), VersionID: aws.ToString(v.VersionId)}}}
	body, err := json.Marshal(e)
	return string(body), err
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// goOn leaves the rest of the bucket to another invocation.
func (h *Handler) goOn(ctx context.Context, marker *ledger.Marker) error {
	payload, err := json.Marshal(Request{Action: contract.ActionReconcile, Marker: marker})
	if err != nil {
		return fmt.Errorf("render the next request: %w", err)
	}
	_, err = h.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &h.Function, InvocationType: lambdatypes.InvocationTypeEvent, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoke %s to go on: %w", h.Function, err)
	}
	return nil
}
