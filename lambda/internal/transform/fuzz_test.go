package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// separator is between the records of a fuzzed event; records that hold it are two.
var separator = []byte{0x1e}

// FuzzTransform holds the handler against a plain encoding/json reference: every record comes back under its id, nothing
// is lost (what is delivered and what is put back is what came, byte for byte but for one newline), the response keeps
// its bound, and each record goes where the reference says. limit chooses the bound, failing whether the stream takes
// records back.
func FuzzTransform(f *testing.F) {
	for _, seed := range []string{
		`{"dataset":"web.errors","a":1}` + "\x1e{}\x1e\x1e" + `{"dataset":"web.events"}` + "\n",
		`{"d\u0061taset":"web\u002eerrors"}` + "\x1e" + `{"dataset":"web.events","dataset":"web.errors"}`,
		`{"a":{"dataset":"web.errors"},"dataset":null}` + "\x1e" + `{"a":"\"dataset\":\"x.y\"","b":[{},[]],"dataset" : "shop.carts"}`,
		"{\"dataset\":\"web.errors\"}\n{\"dataset\":\"web.errors\"}\n\x1e{\"dataset\":\"a.b\"}\r\n{\"dataset\":\"a.c\"}",
		"{\"dataset\":\"web.err\xffors\"}\x1e{\"data\xffset\":1,\"dataset\":\"web.errors\"}\x1e\xff\xfe\x00",
		`{"Dataset":"web.errors"}` + "\x1e" + `{"dataset":"web.errors"` + "\x1e" + `[1,2]` + "\x1e" + `"web.errors"` + "\x1e" + `{"dataset":["web.errors"]}`,
		`{"x":-0.5e-3,"y":true,"z":"\\","dataset":"web.errors"}`,
	} {
		f.Add([]byte(seed), uint16(300), false)
		f.Add([]byte(seed), uint16(60000), true)
	}
	f.Fuzz(func(t *testing.T, joined []byte, limit uint16, failing bool) {
		var records []string
		for _, r := range bytes.Split(joined, separator) {
			records = append(records, string(r))
		}
		stream := &fakeStream{}
		if failing {
			stream.err = errors.New("throttled")
		}
		h := &Handler{Routes: routes(), Stream: stream, MaxResponse: int(limit)}
		out, err := h.Invoke(t.Context(), eventOf(t, records...))
		if err != nil {
			if !failing && len(records)*80 < int(limit) {
				t.Fatalf("%d records within %d bytes: %v", len(records), limit, err)
			}
			return // Firehose sends all of them again
		}
		if len(out) > int(limit) {
			t.Fatalf("the response has %d bytes, at most %d are allowed", len(out), limit)
		}
		judge(t, records, out, stream.taken)
	})
}

func judge(t *testing.T, records []string, out []byte, back [][]byte) {
	t.Helper()
	var answer events.KinesisFirehoseResponse
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("the response is no JSON: %v: %q", err, out)
	}
	if len(answer.Records) != len(records) {
		t.Fatalf("%d records came, %d answers", len(records), len(answer.Records))
	}
	lost, unknown := map[string]int{}, map[string]bool{}
	for i, r := range answer.Records {
		if r.RecordID != fmt.Sprintf("%d-é\"<", i) {
			t.Fatalf("record %d comes back as %q", i, r.RecordID)
		}
		want := expectedRoute(records[i], unknown)
		if r.Result == events.KinesisFirehoseTransformedStateDropped {
			lost[records[i]]++
			continue
		}
		whole := records[i]
		if len(whole) == 0 || whole[len(whole)-1] != '\n' {
			whole += "\n"
		}
		if r.Result != events.KinesisFirehoseTransformedStateOk || string(r.Data) != whole {
			t.Fatalf("%q is answered with %s %q", records[i], r.Result, r.Data)
		}
		if keys := r.Metadata.PartitionKeys; keys["domain"]+"."+keys["dataset"] != want {
			t.Fatalf("%q goes to %v, the reference says %s", records[i], keys, want)
		}
	}
	for _, r := range back {
		lost[string(r)]--
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(lost)), func(n int) bool { return n != 0 }) {
		t.Fatalf("dropped less put back is %v", lost)
	}
}

func expectedRoute(record string, unknown map[string]bool) string {
	name := reference(record, "dataset")
	switch {
	case name == "":
		return "web.events"
	case name == "web.events", name == "web.errors":
	case len(unknown) < maxUnknown:
		unknown[name] = true
	case !unknown[name]:
		return "_unrouted._unrouted"
	}
	return name
}
