package lambdatest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/reconcile"
	"github.com/strata-cdk/strata/lambda/internal/redeliver"
)

type stream struct {
	taken []string
	err   error
}

func (s *stream) Put(_ context.Context, name string, records [][]byte) error {
	for _, r := range records {
		s.taken = append(s.taken, name+":"+string(r))
	}
	return s.err
}

// What a delivery stream could not deliver, or gave no folder of its own, is noticed once as such, starts nothing, and is
// put back once.
func TestFailedDeliveries(t *testing.T) {
	w := newWorld(t, "sales.orders")
	bucket := fmt.Sprintf("raw-%d", worlds)
	ctx := t.Context()
	_, err := objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraintEuWest1}})
	must(t, err)
	_, err = objects.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	must(t, err)
	for key, data := range map[string]string{"files-errors/processing-failed/a": "x", "files-errors/processing-failed/b": "y"} {
		text := fmt.Sprintf("{\"errorCode\":\"Lambda.FunctionError\",\"rawData\":%q}\n", base64.StdEncoding.EncodeToString([]byte(data)))
		_, err = objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text)})
		must(t, err)
	}
	unrouted := "files/_unrouted/_unrouted/ingest_date=2026-01-31/c"
	_, err = objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &unrouted, Body: strings.NewReader("z\n")})
	must(t, err)
	pass := func(want reconcile.Summary) (bodies []string) {
		t.Helper()
		o := &outside{perPage: 10}
		got, err := w.reconciler(o, bucket).Handle(ctx, reconcile.Request{Action: "reconcile"})
		if err != nil || got != want {
			t.Errorf("summary = %+v, %v, want %+v", got, err, want)
		}
		return o.bodies
	}
	notice := w.notice(&gate{})
	notice.Bucket = bucket
	bodies := pass(reconcile.Summary{Listed: 3, Missing: 3, Complete: true})
	for range 2 {
		var records []events.SQSMessage
		for i, body := range bodies {
			records = append(records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: body})
		}
		answer, err := notice.Handle(ctx, events.SQSEvent{Records: records})
		if err != nil || len(answer.BatchItemFailures) > 0 {
			t.Fatalf("notice refuses: %v, %v", answer, err)
		}
	}
	pass(reconcile.Summary{Listed: 3, Known: 3, Complete: true})
	if n := strings.Count(w.emitted.String(), `"FailedDeliveries":2`); n != 1 || !strings.Contains(w.emitted.String(), `"UnroutableObjects":1`) {
		t.Errorf("counted %d times: %s", n, w.emitted)
	}
	if runs := w.ask(`{"action": "drain"}`).Runs; len(runs) != 0 {
		t.Errorf("failed deliveries start %v", runs)
	}

	s := &stream{err: errors.New("throttled")}
	h := &redeliver.Handler{Bucket: bucket, Stream: "clicks", Errors: "files-errors/", Unrouted: "files/_unrouted/", Ledger: w.table, S3: objects, Firehose: s,
		Now: w.now, Reserve: time.Second}
	if _, err := h.Handle(ctx, redeliver.Request{Action: contract.ActionRedeliver}); err == nil {
		t.Error("a stream that takes nothing is no error")
	}
	s.err, s.taken = nil, nil
	for i, want := range []redeliver.Summary{{Objects: 2, Records: 2}, {}} {
		got, err := h.Handle(ctx, redeliver.Request{Action: contract.ActionRedeliver})
		if err != nil || got != want {
			t.Errorf("redelivery %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if len(s.taken) != 2 || !strings.HasPrefix(s.taken[0], "clicks:") {
		t.Errorf("the stream took %v", s.taken)
	}
	for i, want := range []redeliver.Summary{{Objects: 1, Records: 1}, {}} {
		got, err := h.Handle(ctx, redeliver.Request{Action: contract.ActionRedeliver, Prefix: "files/_unrouted/"})
		if err != nil || got != want || len(s.taken) != 3 || s.taken[2] != "clicks:z\n" {
			t.Errorf("redelivery %d of what had no folder: %+v, %v, want %+v; the stream took %v", i, got, err, want, s.taken)
		}
	}
	page, err := objects.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket})
	must(t, err)
	for _, v := range page.Versions {
		partition := ledger.Failed
		if *v.Key == unrouted {
			partition = ledger.Unroutable
		}
		record, err := w.table.Object(ctx, partition, contract.ObjectHash(aws.ToString(v.Key), aws.ToString(v.VersionId)))
		if err != nil || record.State != ledger.ObjectRedelivered {
			t.Errorf("%s is %+v, %v", *v.Key, record, err)
		}
	}
	pass(reconcile.Summary{Listed: 3, Known: 3, Complete: true})
}
