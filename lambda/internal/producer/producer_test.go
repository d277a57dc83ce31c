package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/strata-cdk/strata/lambda/contract"
)

// fakeFirehose refuses the nth record it is given for each n in refuse, counted over all calls from 0.
type fakeFirehose struct {
	refuse func(seen int) bool
	err    error
	seen   int
	calls  [][]string
	taken  []string
}

func (f *fakeFirehose) PutRecordBatch(_ context.Context, in *firehose.PutRecordBatchInput, _ ...func(*firehose.Options)) (*firehose.PutRecordBatchOutput, error) {
	if f.err != nil {
		return nil, f.err
	}
	out, failed, size := &firehose.PutRecordBatchOutput{}, int32(0), 0
	var call []string
	for _, r := range in.Records {
		if r.Data == nil {
			return nil, errors.New("a record without data")
		}
		call, size = append(call, string(r.Data)), size+len(r.Data)
		entry := types.PutRecordBatchResponseEntry{RecordId: aws.String(fmt.Sprint(f.seen))}
		if f.refuse != nil && f.refuse(f.seen) {
			entry = types.PutRecordBatchResponseEntry{ErrorCode: aws.String("ServiceUnavailableException"), ErrorMessage: aws.String("Slow down.")}
			failed++
		} else {
			f.taken = append(f.taken, string(r.Data))
		}
		f.seen++
		out.RequestResponses = append(out.RequestResponses, entry)
	}
	if len(in.Records) > 500 || size > 4_000_000 || *in.DeliveryStreamName != "clicks" {
		return nil, fmt.Errorf("%d records of %d bytes for %s", len(in.Records), size, *in.DeliveryStreamName)
	}
	f.calls, out.FailedPutCount = append(f.calls, call), &failed
	return out, nil
}

func producer(f *fakeFirehose) *Producer {
	return &Producer{Client: f, Sleep: func(context.Context, time.Duration) error { return nil }}
}

func TestPutKeepsTheLimits(t *testing.T) {
	big := []byte(strings.Repeat("x", contract.MaxRecordBytes))
	var records [][]byte
	for i := range 1201 {
		records = append(records, fmt.Append(nil, i))
	}
	records = append(records, nil, big, big, big, big, []byte{})
	f := &fakeFirehose{}
	if err := producer(f).Put(t.Context(), "clicks", records); err != nil {
		t.Fatal(err)
	}
	if len(f.taken) != len(records) || len(f.calls) != 4 || len(f.calls[2]) != 205 {
		t.Errorf("%d of %d records in %d calls", len(f.taken), len(records), len(f.calls))
	}
	if err := producer(f).Put(t.Context(), "clicks", nil); err != nil || len(f.calls) != 4 {
		t.Errorf("no records: %v, %d calls", err, len(f.calls))
	}
}

func TestOnlyRefusedRecordsAreTriedAgain(t *testing.T) {
	f := &fakeFirehose{refuse: func(seen int) bool { return seen == 1 || seen == 3 || seen == 4 }}
	if err := producer(f).Put(t.Context(), "clicks", [][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte("d")}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(f.calls); got != "[[a b c d] [b d] [b]]" || strings.Join(f.taken, "") != "acdb" {
		t.Errorf("calls %s, taken %v", got, f.taken)
	}
}

func TestPutFails(t *testing.T) {
	always := &fakeFirehose{refuse: func(int) bool { return true }}
	err := producer(always).Put(t.Context(), "clicks", [][]byte{[]byte("a"), []byte("b")})
	if err == nil || !strings.Contains(err.Error(), "refused 2 of 2 records 6 times; the last reason: ServiceUnavailableException: Slow down.") {
		t.Errorf("refused for good: %v", err)
	}
	broken := &fakeFirehose{err: errors.New("no such stream")}
	if err := producer(broken).Put(t.Context(), "clicks", [][]byte{nil}); err == nil || !strings.Contains(err.Error(), "no such stream") {
		t.Errorf("failing call: %v", err)
	}
	f := &fakeFirehose{}
	err = producer(f).Put(t.Context(), "clicks", [][]byte{[]byte("a"), make([]byte, contract.MaxRecordBytes+1)})
	if err == nil || !strings.Contains(err.Error(), "record 1 has 1024001 bytes: a stream takes at most 1024000") || len(f.taken) != 0 {
		t.Errorf("oversized: %v, taken %v", err, f.taken)
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	unhurried := &Producer{Client: &fakeFirehose{refuse: func(int) bool { return true }}}
	if err := unhurried.Put(late, "clicks", [][]byte{nil}); !errors.Is(err, context.Canceled) {
		t.Errorf("out of time: %v", err)
	}
}
