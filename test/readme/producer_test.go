package readme

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

// stream is the part of *firehose.Client that putEvents needs.
type stream interface {
	PutRecordBatch(context.Context, *firehose.PutRecordBatchInput, ...func(*firehose.Options)) (*firehose.PutRecordBatchOutput, error)
}

// putEvents puts up to 500 events, 4 MB in all, into a stream. A call may succeed and still refuse some of its records:
// those are put again. After an error an event may be there twice; the dataset's keys tell.
func putEvents(ctx context.Context, client stream, name string, events []any) error {
	records := make([]types.Record, len(events))
	for i, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		records[i] = types.Record{Data: line}
	}
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		out, err := client.PutRecordBatch(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: &name, Records: records})
		if err != nil {
			return err
		}
		var refused []types.Record
		for i, r := range out.RequestResponses {
			if r.ErrorCode != nil {
				refused = append(refused, records[i])
			}
		}
		if records = refused; len(records) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d events are refused: %w", len(records), ctx.Err())
		case <-time.After(wait):
		}
	}
}

// halfway refuses every second record of a call.
type halfway struct{ taken []string }

func (h *halfway) PutRecordBatch(_ context.Context, in *firehose.PutRecordBatchInput, _ ...func(*firehose.Options)) (*firehose.PutRecordBatchOutput, error) {
	out := &firehose.PutRecordBatchOutput{FailedPutCount: aws.Int32(0)}
	for i, r := range in.Records {
		if i%2 == 1 {
			out.RequestResponses = append(out.RequestResponses, types.PutRecordBatchResponseEntry{ErrorCode: aws.String("ServiceUnavailableException")})
			continue
		}
		h.taken = append(h.taken, *in.DeliveryStreamName+string(r.Data))
		out.RequestResponses = append(out.RequestResponses, types.PutRecordBatchResponseEntry{RecordId: aws.String("1")})
	}
	return out, nil
}

func TestPutEvents(t *testing.T) {
	h := &halfway{}
	if err := putEvents(t.Context(), h, "clicks", []any{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(h.taken, " "); got != "clicks1 clicks3 clicks2 clicks4" {
		t.Errorf("got %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := putEvents(ctx, h, "clicks", []any{1, 2}); err == nil || !strings.Contains(err.Error(), "1 events are refused") {
		t.Errorf("out of time: %v", err)
	}
}
