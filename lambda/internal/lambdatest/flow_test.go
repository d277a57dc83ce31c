package lambdatest

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/record"
)

func orders(names ...string) []string {
	for i, n := range names {
		names[i] = "files/sales/orders/" + n
	}
	return names
}

func asSet(keys []string) map[string]string {
	set := map[string]string{}
	for _, k := range keys {
		set[k] = ""
	}
	return set
}

func TestObjectsBecomeOneRun(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	p := newPipeline(w)
	keys := append(orders("a.csv", "b c+d (ä).csv", "c.csv", "d.csv"), "files/sales/items/x.csv")
	w.land(keys...)
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || len(answer.Runs[0].Batches) != 3 || len(answer.Runs[0].Datasets) != 2 {
		t.Fatalf("runs = %+v, want one of two batches of orders (3 + 1 objects) and one of items", answer.Runs)
	}
	if again := w.ask(`{"action": "drain"}`); len(again.Runs) != 0 {
		t.Errorf("a second drain started %+v", again.Runs)
	}
	name := answer.Runs[0].Run
	var list contract.RunList
	w.readJSON("runs/"+name+".json", &list)
	if list.Manifest != w.hash || len(list.Batches) != 3 || list.Batches[0].Token != 1 {
		t.Errorf("run list = %+v", list)
	}
	var kept map[string]any
	w.readJSON("manifests/"+w.hash+".json", &kept)
	p.execute(name, alive)
	p.quiet()
	p.settled(asSet(keys))
	if n := len(w.machine.started); n != 1 {
		t.Errorf("%d executions, want 1", n)
	}
	var mirror contract.Mirror
	w.readJSON("ledger/batches/"+list.Batches[0].Batch+".json", &mirror)
	if mirror.State != "applied" || mirror.Read == 0 || mirror.Run != name {
		t.Errorf("mirror = %+v", mirror)
	}
	if len(w.topic.messages) != 0 {
		t.Errorf("people were told of a run without trouble: %s", aws.ToString(w.topic.messages[0].Message))
	}
}

func (w *world) readJSON(key string, into any) {
	w.t.Helper()
	out, err := objects.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: &w.bucket, Key: &key})
	must(w.t, err)
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	must(w.t, err)
	if err := json.Unmarshal(body, into); err != nil {
		w.t.Fatalf("%s: %v in %s", key, err, body)
	}
}

func TestRedeliveredEventsChangeNothing(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	keys := orders("a.csv", "b.csv", "bad.csv")
	w.land(append(keys, "elsewhere/x.csv", "files/sales/orders/_SUCCESS")...)
	w.ask(`{"action": "drain"}`)
	p.quiet()
	before := w.dump()
	metrics := w.emitted.String()
	w.land(append(keys, "elsewhere/x.csv", "files/sales/orders/_SUCCESS")...)
	if answer := w.ask(`{"action": "drain"}`); len(answer.Runs) != 0 {
		t.Errorf("redelivered events started %+v", answer.Runs)
	}
	// Only the tokens of leases that were taken and given back may differ, and here not even those.
	if after := w.dump(); after != before {
		t.Errorf("redelivered events changed the ledger:\n%s\n%s", before, after)
	}
	if w.emitted.String() != metrics {
		t.Errorf("redelivered events were counted again: %s", w.emitted.String()[len(metrics):])
	}
	for name, want := range map[string]string{"unroutable": "elsewhere/x.csv", "ignored": "files/sales/orders/_SUCCESS"} {
		o, err := w.table.Object(t.Context(), "!"+name, contract.ObjectHash(want, "v1"))
		if err != nil || o.State != name {
			t.Errorf("%s = %+v, %v", want, o, err)
		}
	}
	if strings.Count(metrics, `"UnroutableObjects":1`) != 1 {
		t.Errorf("metrics = %s", metrics)
	}
}

func TestUnroutableObjectIsClaimedOnceDeclared(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land("files/sales/returns/a.csv")
	w.declare("sales.orders", "sales.returns")
	w.land("files/sales/returns/a.csv")
	if _, err := w.table.Object(t.Context(), ledger.Unroutable, contract.ObjectHash("files/sales/returns/a.csv", "v1")); !ledger.IsNotFound(err) {
		t.Errorf("it is still unroutable: %v", err)
	}
	w.ask(`{"action": "drain"}`)
	p.quiet()
	p.settled(asSet([]string{"files/sales/returns/a.csv"}))
}

func TestAbortedExecutionIsRecorded(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("a.csv", "b.csv")...)
	name := w.ask(`{"action": "drain"}`).Runs[0].Run
	w.machine.executions[name].status = sfntypes.ExecutionStatusAborted
	fixture, err := os.ReadFile("testdata/execution_aborted.json")
	must(t, err)
	event := strings.ReplaceAll(string(fixture), "NAME", name)
	for range 2 {
		_, err := w.record(&gate{}).Handle(t.Context(), json.RawMessage(event))
		must(t, err)
	}
	if len(w.topic.messages) != 1 || len(w.wakes.messages) == 0 {
		t.Errorf("%d messages and %d wakes, want one and some", len(w.topic.messages), len(w.wakes.messages))
	}
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || !strings.HasSuffix(answer.Runs[0].Run, "-2") {
		t.Errorf("after the abort: %+v", answer)
	}
	foreign := strings.ReplaceAll(string(fixture), "NAME", "by-hand")
	if out, err := w.record(&gate{}).Handle(t.Context(), json.RawMessage(foreign)); err != nil || out.(record.Ended).Ignored == "" {
		t.Errorf("foreign execution: %+v, %v", out, err)
	}
	p.quiet()
	p.settled(asSet(orders("a.csv", "b.csv")))
}
