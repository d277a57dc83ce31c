package redeliver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/raw"
)

// What is held in memory at a time.
const (
	batchRecords = 500
	batchBytes   = 4_000_000
)

// failure is a record as Firehose writes it to its error output: whatever the reason, the record's bytes are in rawData,
// base64-encoded. The other fields differ by reason and are for people.
type failure struct {
	RawData *[]byte `json:"rawData"`
}

// eachBatch calls do for the records of an object, some at a time.
func (h *Handler) eachBatch(ctx context.Context, o source, do func(batch [][]byte) error) (err error) {
	body, err := raw.Open(ctx, h.S3, h.Bucket, o.Object)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	text, err := plain(body)
	if err != nil {
		return err
	}
	next := failures(text)
	if o.partition == ledger.Unroutable {
		next = lines(text)
	}
	var batch [][]byte
	for size := 0; ; {
		data, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(batch) == batchRecords || size+len(data) > batchBytes {
			if err := do(batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch, size = append(batch, data), size+len(data)
	}
	if len(batch) == 0 {
		return nil
	}
	return do(batch)
}

// failures reads the records of Firehose's error output, one with each call; io.EOF after the last.
func failures(text io.Reader) func() ([]byte, error) {
	decoder, number := json.NewDecoder(text), 0
	return func() ([]byte, error) {
		number++
		var f failure
		err := decoder.Decode(&f)
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil {
			return nil, fmt.Errorf("record %d is not one of Firehose's error output: %w", number, err)
		}
		if f.RawData == nil {
			return nil, fmt.Errorf("record %d is not one of Firehose's error output: it has no rawData", number)
		}
		return shorten(*f.RawData), nil
	}
}

// lines reads the lines of what Firehose has delivered, one with each call and its newline with it; io.EOF after the last.
// A record of several lines comes back as several records, each of which is routed by itself. Empty lines are no records.
func lines(text io.Reader) func() ([]byte, error) {
	buffered, number := bufio.NewReaderSize(text, contract.MaxRecordBytes+1), 0
	return func() ([]byte, error) {
		for {
			number++
			line, err := buffered.ReadSlice('\n')
			switch {
			case errors.Is(err, bufio.ErrBufferFull):
				return nil, fmt.Errorf("line %d is longer than the %d bytes that a stream takes", number, contract.MaxRecordBytes)
			case err != nil && !errors.Is(err, io.EOF):
				return nil, fmt.Errorf("read line %d: %w", number, err)
			case len(line) == 0:
				return nil, io.EOF
			case len(line) > 1 || line[0] != '\n':
				return shorten(bytes.Clone(line)), nil
			}
		}
	}
}

// shorten takes the newline that the transform has added from a record that is too long with it.
func shorten(data []byte) []byte {
	if len(data) == contract.MaxRecordBytes+1 && data[contract.MaxRecordBytes] == '\n' {
		return data[:contract.MaxRecordBytes]
	}
	return data
}

// plain undoes the compression, which is told by the content: the documentation does not say whether error output is
// compressed like the deliveries.
func plain(body io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(body)
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read it: %w", err)
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return buffered, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("unzip it: %w", err)
	}
	return unzipped, nil
}
