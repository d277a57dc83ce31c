package lambdatest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/reconcile"
)

// outside collects what reconcile sends, and invokes nothing.
type outside struct {
	bodies  []string
	refuse  bool
	invoked []string
	perPage int32
}

func (o *outside) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	if o.refuse {
		return &sqs.SendMessageBatchOutput{Failed: []sqstypes.BatchResultErrorEntry{{Id: aws.String("0"), Code: aws.String("InternalError"), Message: aws.String("busy")}}}, nil
	}
	for _, e := range in.Entries {
		o.bodies = append(o.bodies, aws.ToString(e.MessageBody))
	}
	return &sqs.SendMessageBatchOutput{}, nil
}

func (o *outside) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	o.invoked = append(o.invoked, aws.ToString(in.FunctionName)+" "+string(in.Payload))
	return &lambda.InvokeOutput{}, nil
}

func (o *outside) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput, _ ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	in.MaxKeys = aws.Int32(o.perPage)
	return objects.ListObjectVersions(ctx, in)
}

func (w *world) reconciler(o *outside, bucket string) *reconcile.Handler {
	return &reconcile.Handler{Bucket: bucket, QueueURL: "https://notice", Function: "Reconcile", Manifests: w.manifests(&gate{}), Ledger: w.table,
		S3: o, SQS: o, Lambda: o, Now: w.now, Reserve: time.Minute}
}

// versioned makes a bucket with two versions of a key, a deleted key, and keys of every kind.
func versioned(t *testing.T, bucket string) {
	t.Helper()
	ctx := t.Context()
	_, err := objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraintEuWest1}})
	must(t, err)
	_, err = objects.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	must(t, err)
	for _, key := range []string{"files/sales/orders/a b+ä.csv", "files/sales/orders/a b+ä.csv", "files/sales/orders/gone.csv",
		"files/sales/returns/r.csv", "files/sales/orders/_SUCCESS"} {
		_, err = objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("id\n1\n")})
		must(t, err)
	}
	_, err = objects.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("files/sales/orders/gone.csv")})
	must(t, err)
}

func TestReconcileFindsWhatIsMissing(t *testing.T) {
	w := newWorld(t, "sales.orders")
	bucket := fmt.Sprintf("raw-%d", worlds)
	versioned(t, bucket)
	deliver := func(o *outside) {
		t.Helper()
		h := w.notice(&gate{})
		h.Bucket = bucket
		var records []events.SQSMessage
		for i, body := range o.bodies {
			records = append(records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: body})
		}
		answer, err := h.Handle(t.Context(), events.SQSEvent{Records: records})
		must(t, err)
		if len(answer.BatchItemFailures) > 0 {
			t.Fatalf("notice refuses reconcile's events: %v", answer)
		}
	}
	pass := func(want reconcile.Summary) {
		t.Helper()
		o := &outside{perPage: 2}
		got, err := w.reconciler(o, bucket).Handle(t.Context(), reconcile.Request{Action: "reconcile"})
		must(t, err)
		if got != want {
			t.Errorf("summary = %+v, want %+v", got, want)
		}
		if len(o.bodies) != want.Missing+want.Claimed {
			t.Errorf("%d events, want %d", len(o.bodies), want.Missing+want.Claimed)
		}
		deliver(o)
	}
	pass(reconcile.Summary{Listed: 5, Missing: 5, Complete: true})
	pass(reconcile.Summary{Listed: 5, Known: 5, Complete: true})
	w.declare("sales.orders", "sales.returns")
	pass(reconcile.Summary{Listed: 5, Known: 4, Claimed: 1, Complete: true})
	pass(reconcile.Summary{Listed: 5, Known: 5, Complete: true})
	if n := len(w.ask(`{"action": "drain"}`).Runs[0].Batches); n != 2 {
		t.Errorf("%d batches, want one of orders (3 versions) and one of returns", n)
	}
	cursor, err := w.table.Cursor(t.Context())
	if err != nil || cursor != nil {
		t.Errorf("cursor = %+v, %v after a whole pass", cursor, err)
	}
}

func TestReconcileGoesOnWhenTimeRunsShort(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.returns")
	bucket := fmt.Sprintf("raw-%d", worlds)
	versioned(t, bucket)
	o := &outside{perPage: 2}
	ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
	defer cancel()
	first, err := w.reconciler(o, bucket).Handle(ctx, reconcile.Request{Action: "reconcile"})
	must(t, err)
	if first.Complete || first.Listed != 2 || first.Marker == nil || len(o.invoked) != 1 {
		t.Fatalf("first = %+v, invoked %v", first, o.invoked)
	}
	function, payload, _ := strings.Cut(o.invoked[0], " ")
	var next reconcile.Request
	must(t, json.Unmarshal([]byte(payload), &next))
	if function != "Reconcile" || *next.Marker != *first.Marker {
		t.Errorf("invoked %s", o.invoked[0])
	}
	rest, err := w.reconciler(o, bucket).Handle(t.Context(), next)
	if err != nil || !rest.Complete || first.Listed+rest.Listed != 5 || len(o.bodies) != 5 {
		t.Errorf("rest = %+v, %v; %d events", rest, err, len(o.bodies))
	}
}

// An invocation that died is gone on with by the next one that is given no marker.
func TestReconcileResumesAtTheCursor(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.returns")
	bucket := fmt.Sprintf("raw-%d", worlds)
	versioned(t, bucket)
	page, err := objects.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket, MaxKeys: aws.Int32(2)})
	must(t, err)
	must(t, w.table.Apply(t.Context(), ledger.SetCursor(&ledger.Marker{Key: aws.ToString(page.NextKeyMarker), Version: aws.ToString(page.NextVersionIdMarker)})))
	got, err := w.reconciler(&outside{perPage: 2}, bucket).Handle(t.Context(), reconcile.Request{Action: "reconcile"})
	if err != nil || got.Listed != 3 || !got.Complete {
		t.Errorf("summary = %+v, %v, want the three versions after the cursor", got, err)
	}
	_, err = w.reconciler(&outside{perPage: 2, refuse: true}, bucket).Handle(t.Context(), reconcile.Request{Action: "reconcile"})
	if err == nil || !strings.Contains(err.Error(), "InternalError: busy") {
		t.Errorf("a refused message: %v", err)
	}
	if _, err := w.reconciler(&outside{}, bucket).Handle(t.Context(), reconcile.Request{Action: "go"}); err == nil || !strings.Contains(err.Error(), `got "go"`) {
		t.Errorf("unknown action: %v", err)
	}
}
