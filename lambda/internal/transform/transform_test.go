package transform

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/strata-cdk/strata/lambda/contract"
)

const streamARN = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/clicks"

// fakeStream takes records, or fails.
type fakeStream struct {
	err   error
	name  string
	taken [][]byte
}

func (f *fakeStream) Put(_ context.Context, stream string, records [][]byte) error {
	if f.err != nil {
		return f.err
	}
	f.name = stream
	f.taken = append(f.taken, records...)
	return nil
}

func eventOf(tb testing.TB, records ...string) []byte {
	tb.Helper()
	e := events.KinesisFirehoseEvent{InvocationID: "invocation", DeliveryStreamArn: streamARN, Region: "eu-west-1"}
	for i, r := range records {
		e.Records = append(e.Records, events.KinesisFirehoseEventRecord{RecordID: fmt.Sprintf("%d-é\"<", i), Data: []byte(r)})
	}
	body, err := json.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func invoke(tb testing.TB, h *Handler, payload []byte) (events.KinesisFirehoseResponse, []byte) {
	tb.Helper()
	out, err := h.Invoke(tb.Context(), payload)
	if err != nil {
		tb.Fatal(err)
	}
	var answer events.KinesisFirehoseResponse
	if err := json.Unmarshal(out, &answer); err != nil {
		tb.Fatalf("the response is no JSON: %v: %.300s", err, out)
	}
	return answer, out
}

func TestInvoke(t *testing.T) {
	give := []string{
		`{"dataset":"web.errors","a":1}`, "{\"dataset\":\"web.events\"}\n", "", "no json", "\xff\xfe\x00", "a\r\n", "a\r", "{}\n\n",
		`{"dataset":"shop.carts"}`,
	}
	want := []struct{ data, route string }{
		{give[0] + "\n", "web/errors"}, {give[1], "web/events"}, {"\n", "web/events"}, {"no json\n", "web/events"},
		{"\xff\xfe\x00\n", "web/events"}, {"a\r\n", "web/events"}, {"a\r\n", "web/events"}, {"{}\n\n", "web/events"},
		{give[8] + "\n", "shop/carts"},
	}
	h := &Handler{Routes: routes(), Stream: &fakeStream{err: errors.New("nothing is to be put back")}, MaxResponse: MaxResponse}
	answer, out := invoke(t, h, eventOf(t, give...))
	if len(answer.Records) != len(give) {
		t.Fatalf("%d records come back of %d", len(answer.Records), len(give))
	}
	for i, r := range answer.Records {
		keys := r.Metadata.PartitionKeys
		route := keys[contract.PartitionDomain] + "/" + keys[contract.PartitionDataset]
		if r.RecordID != fmt.Sprintf("%d-é\"<", i) || r.Result != events.KinesisFirehoseTransformedStateOk ||
			string(r.Data) != want[i].data || route != want[i].route || len(keys) != 2 {
			t.Errorf("%q: got %+v, want %+v", give[i], r, want[i])
		}
	}
	if got := render(nil); string(got) != `{"records":[]}` {
		t.Errorf("no records: %s", got)
	}
	if size := len(out); size != cap(out) {
		t.Errorf("the response has %d bytes, %d were counted", size, cap(out))
	}
}

func TestInvokeRefusesAnotherEvent(t *testing.T) {
	h := &Handler{Routes: routes(), Stream: &fakeStream{}, MaxResponse: MaxResponse}
	if _, err := h.Invoke(t.Context(), []byte(`{"records":[{"recordId":"1","data":"%"}]}`)); err == nil || !strings.Contains(err.Error(), "not one of Firehose") {
		t.Errorf("error %v", err)
	}
}

// The bound holds on the text of the response, where three bytes of a record are four.
func TestOverflowIsPutBack(t *testing.T) {
	big := strings.Repeat("x", 900_000)
	give := []string{big, big, big, big, big, big, big, "small"}
	stream := &fakeStream{}
	h := &Handler{Routes: routes(), Stream: stream, MaxResponse: MaxResponse}
	answer, out := invoke(t, h, eventOf(t, give...))
	if len(out) > MaxResponse {
		t.Errorf("the response has %d bytes", len(out))
	}
	delivered := 0
	for i, r := range answer.Records {
		switch r.Result {
		case events.KinesisFirehoseTransformedStateOk:
			delivered++
		case events.KinesisFirehoseTransformedStateDropped:
			if i < 4 || i == 7 || len(r.Data) != 0 {
				t.Errorf("record %d is dropped: %.80v", i, r)
			}
		}
	}
	if delivered != 5 || len(stream.taken) != 3 || stream.name != "clicks" || string(stream.taken[0]) != big {
		t.Errorf("%d delivered, %d put back into %q", delivered, len(stream.taken), stream.name)
	}
}

func TestNothingIsDroppedThatCouldNotBePutBack(t *testing.T) {
	big := strings.Repeat("x", 1_000_000)
	h := &Handler{Routes: routes(), Stream: &fakeStream{err: errors.New("throttled")}, MaxResponse: MaxResponse}
	out, err := h.Invoke(t.Context(), eventOf(t, big, big, big, big, big))
	if err == nil || out != nil || !strings.Contains(err.Error(), "put 1 records back into clicks: throttled") {
		t.Errorf("answer of %d bytes, error %v", len(out), err)
	}
}

// A record no stream takes cannot be put back: it is delivered before all others.
func TestOversizedRecordsAreDelivered(t *testing.T) {
	small, over := strings.Repeat("s", 700), strings.Repeat("o", contract.MaxRecordBytes+1)
	stream := &fakeStream{}
	h := &Handler{Routes: routes(), Stream: stream, MaxResponse: base64.StdEncoding.EncodedLen(len(over)+1) + 400}
	answer, _ := invoke(t, h, eventOf(t, small, over, small))
	if answer.Records[1].Result != "Ok" || len(answer.Records[1].Data) != len(over)+1 || len(stream.taken) != 2 {
		t.Errorf("the oversized record is %s, %d records are put back", answer.Records[1].Result, len(stream.taken))
	}
}

func TestIDsThatDoNotFitFail(t *testing.T) {
	h := &Handler{Routes: routes(), Stream: &fakeStream{}, MaxResponse: 60}
	if _, err := h.Invoke(t.Context(), eventOf(t, "a", "b")); err == nil || !strings.Contains(err.Error(), "2 record ids alone are") {
		t.Errorf("error %v", err)
	}
}
