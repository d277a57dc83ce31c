// Package producer puts records into a Firehose stream.
package producer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/strata-cdk/strata/lambda/contract"
)

// What one PutRecordBatch takes. The bound on bytes is documented as 4 MB.
const (
	maxRecords = 500
	maxBytes   = 4_000_000
)

// tries bounds the tries of records that the stream refuses; the waits between them double from firstWait.
const (
	tries     = 6
	firstWait = 100 * time.Millisecond
)

// Firehose is what the producer needs of the service.
type Firehose interface {
	PutRecordBatch(context.Context, *firehose.PutRecordBatchInput, ...func(*firehose.Options)) (*firehose.PutRecordBatchOutput, error)
}

// Producer puts records into streams.
type Producer struct {
	Client Firehose
	// Sleep waits between tries.
	// Default: until the time is over or the context is done.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Put puts all records into the stream, in as few calls as its limits allow. Of a call that takes some of its records
// only the refused ones are tried again. An error leaves open which records the stream has taken. A record that no
// stream takes fails before any is put.
func (p *Producer) Put(ctx context.Context, stream string, records [][]byte) error {
	for i, r := range records {
		if len(r) > contract.MaxRecordBytes {
			return fmt.Errorf("record %d has %d bytes: a stream takes at most %d", i, len(r), contract.MaxRecordBytes)
		}
	}
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && n < maxRecords && size+len(records[n]) <= maxBytes {
			size += len(records[n])
			n++
		}
		if err := p.putBatch(ctx, stream, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (p *Producer) putBatch(ctx context.Context, stream string, records [][]byte) error {
	wait := firstWait
	for try := 1; ; try++ {
		refused, reason, err := p.put(ctx, stream, records)
		if err != nil || len(refused) == 0 {
			return err
		}
		if try == tries {
			return fmt.Errorf("stream %s refused %d of %d records %d times; the last reason: %s", stream, len(refused), len(records), try, reason)
		}
		if err := p.sleep(ctx, wait/2+rand.N(wait)); err != nil {
			return fmt.Errorf("stream %s refused %d records (%s), and there is no time to try again: %w", stream, len(refused), reason, err)
		}
		records, wait = refused, 2*wait
	}
}

// put makes one call and returns the records that were refused, with the first reason.
func (p *Producer) put(ctx context.Context, stream string, records [][]byte) (refused [][]byte, reason string, err error) {
	in := &firehose.PutRecordBatchInput{DeliveryStreamName: &stream, Records: make([]types.Record, len(records))}
	for i, r := range records {
		if r == nil {
			r = []byte{} // nil would be left out of the request
		}
		in.Records[i] = types.Record{Data: r}
	}
	out, err := p.Client.PutRecordBatch(ctx, in)
	if err != nil {
		return nil, "", fmt.Errorf("put %d records into stream %s: %w", len(records), stream, err)
	}
	if aws.ToInt32(out.FailedPutCount) == 0 {
		return nil, "", nil
	}
	if len(out.RequestResponses) != len(records) {
		return nil, "", errors.New("the answer of PutRecordBatch lacks records")
	}
	for i, response := range out.RequestResponses {
		if response.ErrorCode == nil {
			continue
		}
		refused = append(refused, records[i])
		if reason == "" {
			reason = aws.ToString(response.ErrorCode) + ": " + aws.ToString(response.ErrorMessage)
		}
	}
	return refused, reason, nil
}

func (p *Producer) sleep(ctx context.Context, d time.Duration) error {
	if p.Sleep != nil {
		return p.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
