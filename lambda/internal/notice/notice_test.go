package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
)

type fakes struct {
	manifestErr error
	apply       func([]ledger.Write) error
	transacts   int
	wakes       int
	wakeErr     error
	counted     map[string]int64
}

func (f *fakes) Load(context.Context) (*manifest.Loaded, error) {
	return &manifest.Loaded{Manifest: &dataset.Manifest{Landing: []dataset.Landing{
		{Prefix: "files/sales/", Dataset: "sales.all"}, {Prefix: "files/sales/orders/", Dataset: "sales.orders"}}}}, f.manifestErr
}

func (f *fakes) Apply(_ context.Context, writes ...ledger.Write) error {
	f.transacts++
	if f.apply != nil {
		return f.apply(writes)
	}
	return nil
}

func (f *fakes) Wake(context.Context) error { f.wakes++; return f.wakeErr }

func (f *fakes) Count(counts map[string]int64) error { f.counted = counts; return nil }

func (f *fakes) handler() *Handler {
	return &Handler{Bucket: "raw-bucket", Manifests: f, Ledger: f, Waker: f, Metrics: f, Now: time.Now}
}

func body(t *testing.T, change func(map[string]any)) string {
	t.Helper()
	raw, err := os.ReadFile("../lambdatest/testdata/object_created.json")
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(e)
	}
	raw, err = json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func object(e map[string]any) map[string]any {
	return e["detail"].(map[string]any)["object"].(map[string]any)
}

func TestParse(t *testing.T) {
	h := (&fakes{}).handler()
	h.Now = func() time.Time { return time.Date(2026, 1, 31, 6, 0, 1, 0, time.UTC) }
	got, err := h.parse(events.SQSMessage{MessageId: "1", Body: body(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != "files/sales/orders/2026/01/part 1+2 (ä).csv" || got.Version != "lCyqFbLgCbzFRpGpu7SFa2Cj.oDfGzbL" || got.Size != 5 ||
		got.ETag != "b57f9512698f4b09e608f4f2a65852e5" || got.EventTime != "2026-01-31T06:00:00Z" || got.NoticedAt != "2026-01-31T06:00:01.000000Z" {
		t.Errorf("arrival = %+v", got)
	}
	unversioned, err := h.parse(events.SQSMessage{Body: body(t, func(e map[string]any) { delete(object(e), "version-id") })})
	if err != nil || unversioned.Version != "null" {
		t.Errorf("without a version: %+v, %v", unversioned, err)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		give string
		want []string
	}{
		{"{", []string{"not an EventBridge event"}},
		{body(t, func(e map[string]any) { e["detail-type"], e["source"] = "Object Deleted", "aws.ec2" }),
			[]string{`detail-type: got "Object Deleted"`, `source: got "aws.ec2"`}},
		{body(t, func(e map[string]any) { e["detail"].(map[string]any)["bucket"] = map[string]any{"name": "other"} }),
			[]string{`got "other", want the raw bucket "raw-bucket"`}},
		{body(t, func(e map[string]any) { object(e)["key"] = "" }), []string{"detail.object.key: empty"}},
	}
	for _, tt := range tests {
		_, err := (&fakes{}).handler().parse(events.SQSMessage{Body: tt.give})
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v lacks %q", tt.give, err, want)
			}
		}
	}
}

func failures(t *testing.T, f *fakes, bodies ...string) string {
	t.Helper()
	var records []events.SQSMessage
	for i, b := range bodies {
		records = append(records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: b})
	}
	answer, err := f.handler().Handle(t.Context(), events.SQSEvent{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, failure := range answer.BatchItemFailures {
		ids = append(ids, failure.ItemIdentifier)
	}
	return strings.Join(ids, " ")
}

func at(t *testing.T, key string) string {
	return body(t, func(e map[string]any) { object(e)["key"] = key })
}

func TestPartialFailures(t *testing.T) {
	routed, unroutable, marker := at(t, "files/sales/orders/a.csv"), at(t, "else/a.csv"), at(t, "files/sales/orders/")
	tests := []struct {
		name    string
		give    fakes
		bodies  []string
		want    string
		wakes   int
		counted int64
	}{
		{"all well", fakes{}, []string{routed, unroutable, marker}, "", 1, 1},
		{"one malformed", fakes{}, []string{routed, "{", marker}, "1", 1, 0},
		{"nothing routed", fakes{}, []string{unroutable, marker}, "", 0, 1},
		{"wake fails", fakes{wakeErr: errors.New("no")}, []string{routed, unroutable}, "0", 1, 1},
		{"ledger fails", fakes{apply: func([]ledger.Write) error { return errors.New("no") }}, []string{routed, unroutable}, "0 1", 0, 0},
		{"no manifest", fakes{manifestErr: errors.New("no")}, []string{routed, marker}, "0 1", 0, 0},
		{"held already", fakes{apply: func([]ledger.Write) error { return &ledger.ConditionError{Failed: []int{0}} }},
			[]string{routed, unroutable}, "", 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := failures(t, &tt.give, tt.bodies...); got != tt.want {
				t.Errorf("failures = %q, want %q", got, tt.want)
			}
			if tt.give.wakes != tt.wakes || tt.give.counted["UnroutableObjects"] != tt.counted {
				t.Errorf("%d wakes, counted %v; want %d, %d", tt.give.wakes, tt.give.counted, tt.wakes, tt.counted)
			}
		})
	}
}

// The first delivery may have died between its write and its metric, so a second one counts again.
func TestUnroutableIsCountedAgainAfterAFailedDelivery(t *testing.T) {
	f := &fakes{apply: func([]ledger.Write) error { return &ledger.ConditionError{Failed: []int{0}} }}
	_, err := f.handler().Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: at(t, "else/a.csv"),
		Attributes: map[string]string{"ApproximateReceiveCount": "2"}}}})
	if err != nil || f.counted["UnroutableObjects"] != 1 {
		t.Errorf("counted %v, %v", f.counted, err)
	}
}

func TestManyArrivalsShareTransactions(t *testing.T) {
	f := &fakes{apply: func(w []ledger.Write) error {
		if len(w) > ledger.TransactLimit {
			return errors.New("too many")
		}
		return nil
	}}
	var bodies []string
	for i := range 70 {
		bodies = append(bodies, at(t, fmt.Sprintf("files/sales/orders/%d.csv", i/2)))
	}
	if got := failures(t, f, bodies...); got != "" || f.transacts != 2 {
		t.Errorf("failures %q, %d transactions, want 2 for 35 objects", got, f.transacts)
	}
}

// What a delivery service could not deliver is counted for its own alarm and wakes nobody.
func TestFailedDeliveriesAreCounted(t *testing.T) {
	f := &fakes{}
	if got := failures(t, f, at(t, "files-errors/processing-failed/a"), at(t, "files-errors/b"), at(t, "files-errors/")); got != "" {
		t.Errorf("failures %q", got)
	}
	if f.wakes != 0 || f.counted["FailedDeliveries"] != 2 || f.counted["UnroutableObjects"] != 0 {
		t.Errorf("%d wakes, counted %v", f.wakes, f.counted)
	}
}
