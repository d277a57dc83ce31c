package redeliver

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// world is the bucket, the ledger's failed deliveries and the stream.
type world struct {
	objects    map[string][]byte // by key and version
	states     map[string]string // by object hash
	partitions map[string]string // by object hash
	order      []contract.Object
	applyErr   error
	putErr     error
	put        []string
	applied    int
}

func (w *world) add(key, version string, content []byte) {
	if w.objects == nil {
		w.objects, w.states, w.partitions = map[string][]byte{}, map[string]string{}, map[string]string{}
	}
	o := contract.Object{Bucket: "raw", Key: key, Version: version}
	w.objects[key+"\x00"+version] = content
	hash := contract.ObjectHash(key, version)
	w.states[hash], w.partitions[hash] = ledger.ObjectFailed, ledger.Failed
	if strings.HasPrefix(key, "clicks/") {
		w.states[hash], w.partitions[hash] = ledger.ObjectUnroutable, ledger.Unroutable
	}
	w.order = append(w.order, o)
}

func (w *world) Undelivered(_ context.Context, partition, prefix string, each func(contract.Object) (bool, error)) error {
	for _, o := range w.order {
		if "!"+w.states[contract.ObjectHash(o.Key, o.Version)] == partition && strings.HasPrefix(o.Key, prefix) {
			if more, err := each(o); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

func (w *world) Object(_ context.Context, inbox, hash string) (ledger.Noticed, error) {
	for _, o := range w.order {
		if contract.ObjectHash(o.Key, o.Version) == hash && inbox == w.partitions[hash] {
			return ledger.Noticed{Object: o, State: w.states[hash]}, nil
		}
	}
	return ledger.Noticed{}, ledger.ErrNotFound
}

// Apply only counts: what a write changes cannot be seen from outside the ledger's package.
func (w *world) Apply(context.Context, ...ledger.Write) error {
	w.applied++
	return w.applyErr
}

func (w *world) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	version := "null"
	if in.VersionId != nil {
		version = *in.VersionId
	}
	content, ok := w.objects[*in.Key+"\x00"+version]
	if !ok {
		return nil, errors.New("NoSuchVersion")
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(content))}, nil
}

func (w *world) Put(_ context.Context, stream string, records [][]byte) error {
	if w.putErr != nil {
		return w.putErr
	}
	for _, r := range records {
		w.put = append(w.put, stream+":"+string(r))
	}
	return nil
}

func (w *world) handler() *Handler {
	return &Handler{Bucket: "raw", Stream: "clicks", Errors: "clicks-errors/", Unrouted: "clicks/_unrouted/", Ledger: w, S3: w, Firehose: w, Now: time.Now, Reserve: time.Second}
}

func line(data string) string {
	return fmt.Sprintf(`{"attemptsMade":4,"arrivalTimestamp":1510772160000,"errorCode":"Lambda.FunctionError","errorMessage":"…",`+
		`"attemptEndingTimestamp":1510772169000,"rawData":"%s","lambdaArn":"arn"}`, base64.StdEncoding.EncodeToString([]byte(data)))
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.Bytes()
}

func TestRedeliver(t *testing.T) {
	w := &world{}
	w.add("clicks-errors/processing-failed/a", "1", []byte(line("x")+"\n"+line("")+"\n"))
	w.add("clicks-errors/processing-failed/b.gz", "2", append(zipped(line("y")), zipped(line("z"))...)) // members, no line breaks
	w.add("other-errors/processing-failed/c", "3", []byte(line("other")))
	w.add("clicks-errors/empty", "4", nil)
	got, err := w.handler().Handle(t.Context(), Request{Action: "redeliver"})
	if err != nil || got != (Summary{Objects: 3, Records: 4}) {
		t.Errorf("summary %+v, %v", got, err)
	}
	if put := strings.Join(w.put, " "); put != "clicks:x clicks: clicks:y clicks:z" || w.applied != 3 {
		t.Errorf("put %q, %d objects marked", put, w.applied)
	}
}

func TestRedeliverOne(t *testing.T) {
	w := &world{}
	w.add("clicks-errors/a", "1", []byte(line("x")))
	w.add("clicks-errors/b", "null", []byte(line("y")))
	got, err := w.handler().Handle(t.Context(), Request{Action: "redeliver", Key: "clicks-errors/b", Version: "null"})
	if err != nil || got != (Summary{Objects: 1, Records: 1}) || strings.Join(w.put, " ") != "clicks:y" {
		t.Errorf("summary %+v, %v, put %v", got, err, w.put)
	}
	w.states[contract.ObjectHash("clicks-errors/b", "null")] = ledger.ObjectRedelivered
	got, err = w.handler().Handle(t.Context(), Request{Action: "redeliver", Key: "clicks-errors/b", Version: "null"})
	if err != nil || got != (Summary{}) || len(w.put) != 1 {
		t.Errorf("the second time: %+v, %v, put %v", got, err, w.put)
	}
}

// What lies under no name of its own comes back line by line, and only when it is asked for.
func TestUnrouted(t *testing.T) {
	w := &world{}
	w.add("clicks-errors/a", "1", []byte(line("failed")))
	w.add("clicks/_unrouted/_unrouted/ingest_date=2026-01-31/a.gz", "1", append(zipped("{\"d\":\"a.b\"}\n\n\xff\r\n"), zipped(" \nlast")...))
	w.add("clicks/_unrouted/_unrouted/ingest_date=2026-02-01/b.gz", "1", zipped("next\n"))
	w.add("clicks/rogue/name/c.gz", "1", zipped("reconcile's\n"))
	if got, err := w.handler().Handle(t.Context(), Request{Action: "redeliver"}); err != nil || got != (Summary{Objects: 1, Records: 1}) {
		t.Errorf("without a prefix: %+v, %v", got, err)
	}
	w.put = nil
	got, err := w.handler().Handle(t.Context(), Request{Action: "redeliver", Prefix: "clicks/_unrouted/_unrouted/ingest_date=2026-01-31/"})
	if want := "clicks:{\"d\":\"a.b\"}\n|clicks:\xff\r\n|clicks: \n|clicks:last"; err != nil || got != (Summary{Objects: 1, Records: 4}) || strings.Join(w.put, "|") != want {
		t.Errorf("a day: %+v, %v, put %q", got, err, w.put)
	}
	w.put = nil
	got, err = w.handler().Handle(t.Context(), Request{Action: "redeliver", Key: "clicks/_unrouted/_unrouted/ingest_date=2026-02-01/b.gz", Version: "1"})
	if err != nil || got != (Summary{Objects: 1, Records: 1}) || strings.Join(w.put, "|") != "clicks:next\n" {
		t.Errorf("an object: %+v, %v, put %q", got, err, w.put)
	}
}

// The longest record of a stream has a newline of the transform behind it; a longer line is not the stream's.
func TestLongLines(t *testing.T) {
	const key = "clicks/_unrouted/_unrouted/a.gz"
	longest := strings.Repeat("x", contract.MaxRecordBytes)
	w := &world{}
	w.add(key, "1", zipped(longest+"\n"+longest))
	if got, err := w.handler().Handle(t.Context(), Request{Action: "redeliver", Prefix: "clicks/_unrouted/"}); err != nil || got.Records != 2 || w.put[0] != "clicks:"+longest || w.put[1] != w.put[0] {
		t.Errorf("the longest record: %+v, %v", got, err)
	}
	w = &world{}
	w.add(key, "1", zipped("short\n"+longest+"x\n"))
	if _, err := w.handler().Handle(t.Context(), Request{Action: "redeliver", Prefix: "clicks/_unrouted/"}); err == nil || len(w.put) != 0 ||
		!strings.Contains(err.Error(), "line 2 is longer than the 1024000 bytes that a stream takes") {
		t.Errorf("a longer one: %v, put %d", err, len(w.put))
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	w := &world{}
	w.add("clicks-errors/a", "1", []byte(line("x")))
	for _, tt := range []struct {
		give Request
		want string
	}{
		{Request{Action: "replay"}, `action: got "replay", want "redeliver"`},
		{Request{Action: "redeliver", Key: "clicks-errors/a"}, "give key and version for one object"},
		{Request{Action: "redeliver", Key: "clicks-errors/a", Version: "1", Prefix: "clicks-errors/"}, "or a prefix"},
		{Request{Action: "redeliver", Key: "clicks/a", Version: "1"}, `key: got "clicks/a"; allowed: below clicks-errors/`},
		{Request{Action: "redeliver", Prefix: "clicks/web/clicks/"}, `prefix: got "clicks/web/clicks/"; allowed: below clicks-errors/`},
		{Request{Action: "redeliver", Prefix: "clicks/_unrouted"}, "or below clicks/_unrouted/"},
		{Request{Action: "redeliver", Key: "clicks-errors/a", Version: "2"}, "not among the objects of that folder"},
	} {
		if _, err := w.handler().Handle(t.Context(), tt.give); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.give, err, tt.want)
		}
	}
	if len(w.put) != 0 {
		t.Errorf("put %v", w.put)
	}
}

// An object that is not understood is named, nothing of it is put, and the others are.
func TestObjectsThatAreNotUnderstood(t *testing.T) {
	w := &world{}
	w.add("clicks-errors/a", "1", []byte(line("x")+"\n{\"rawData\":\"%\"}\n"))
	w.add("clicks-errors/b", "1", []byte(line("x")+"\n{\"errorCode\":\"x\"}\n"))
	w.add("clicks-errors/c", "1", []byte(line("good")))
	w.add("clicks-errors/d", "1", []byte("\x1f\x8bno gzip"))
	w.add("clicks-errors/e", "1", []byte(line(strings.Repeat("x", contract.MaxRecordBytes+1))))
	w.add("clicks-errors/f", "1", []byte(line(strings.Repeat("x", contract.MaxRecordBytes)+"\n")))
	w.add("clicks-errors/g", "1", nil)
	delete(w.objects, "clicks-errors/g\x001")
	got, err := w.handler().Handle(t.Context(), Request{Action: "redeliver"})
	if got.Objects != 2 || got.Records != 2 || len(w.put) != 2 || w.put[0] != "clicks:good" {
		t.Errorf("summary %+v, %d put", got, len(w.put))
	}
	for _, want := range []string{
		"2 of 7 objects were put back, 5 could not be", "s3://raw/clicks-errors/a version 1: record 2 is not one of Firehose's",
		"/b version 1: record 2 is not one of Firehose's error output: it has no rawData", "/d version 1: unzip it",
		"/e version 1: record 1 has 1024001 bytes", "/g version 1: read it: NoSuchVersion",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

func TestWhatIsNotPutBackStaysFailed(t *testing.T) {
	w := &world{putErr: errors.New("throttled")}
	w.add("clicks-errors/a", "1", []byte(line("x")))
	if _, err := w.handler().Handle(t.Context(), Request{Action: "redeliver"}); err == nil || w.applied != 0 {
		t.Errorf("error %v, %d writes", err, w.applied)
	}
	w.putErr, w.applyErr = nil, &ledger.ConditionError{}
	if got, err := w.handler().Handle(t.Context(), Request{Action: "redeliver"}); err != nil || got.Objects != 1 {
		t.Errorf("put back by two at once: %+v, %v", got, err)
	}
	w.applyErr = errors.New("no table")
	if _, err := w.handler().Handle(t.Context(), Request{Action: "redeliver"}); err == nil || !strings.Contains(err.Error(), "this could not be recorded") {
		t.Errorf("not recorded: %v", err)
	}
}

func TestTimeRunsOut(t *testing.T) {
	w := &world{}
	w.add("clicks-errors/a", "1", []byte(line("x")))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	h := w.handler()
	h.Reserve = time.Hour
	if got, err := h.Handle(ctx, Request{Action: "redeliver"}); err != nil || got != (Summary{Left: 1}) || len(w.put) != 0 {
		t.Errorf("summary %+v, %v", got, err)
	}
}
