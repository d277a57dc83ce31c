package lambdatest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/dispatch"
)

func TestBatchesAreBounded(t *testing.T) {
	w := newWorld(t, "sales.orders")
	var records []events.SQSMessage
	for i, size := range []int64{600, 300, 200, 5000, 1, 1, 1, 1} { // at most 3 objects or 1000 bytes
		records = append(records, w.landed(fmt.Sprintf("files/sales/orders/%d.csv", i), "v1", size))
	}
	_, err := w.notice(&gate{}).Handle(t.Context(), events.SQSEvent{Records: records})
	must(t, err)
	var got []string
	for _, b := range w.ask(`{"action": "drain"}`).Runs[0].Batches {
		got = append(got, strings.Join(w.list(b), " "))
	}
	want := "[0 1] [2] [3] [4 5 6] [7]"
	text := fmt.Sprintf("%q", got)
	text = strings.NewReplacer("files/sales/orders/", "", ".csv", "", `["`, "[", `"]`, "]", `" "`, "] [").Replace(text)
	if text != want {
		t.Errorf("batches = %s, want %s", text, want)
	}
}

func TestLeasesOfARunAreBounded(t *testing.T) {
	ids := []string{"sales.orders", "sales.items", "web.clicks"}
	w := newWorld(t, ids...)
	w.limits.DatasetsPerRun = 2
	p := newPipeline(w)
	keys := []string{"files/sales/orders/a.csv", "files/sales/items/a.csv", "files/web/clicks/a.csv"}
	w.land(keys...)
	if runs := w.ask(`{"action": "drain"}`).Runs; len(runs) != 2 || len(runs[0].Datasets) != 2 {
		t.Errorf("runs = %+v", runs)
	}
	p.quiet()
	p.settled(asSet(keys))
}

// A dispatch whose time runs short leaves the rest behind in order, and says so.
func TestTimeRunsShort(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	p := newPipeline(w)
	keys := append(orders("a.csv"), "files/sales/items/x.csv")
	w.land(keys...)
	w.limits.ReserveBeforeDeadline = time.Hour
	slow := &gate{}
	slow.turn = func() {
		if slow.calls == 3 { // the first dataset's batch is frozen
			slow.turn = nil
			time.Sleep(900 * time.Millisecond)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	defer cancel()
	answer, err := w.dispatch(slow).Handle(ctx, json.RawMessage(`{"action": "drain"}`))
	must(t, err)
	if a := answer.(*dispatch.Answer); !a.Incomplete || len(a.Runs) != 1 || len(a.Runs[0].Datasets) != 1 {
		t.Errorf("answer = %+v, want one of two datasets", a)
	}
	p.quiet()
	p.settled(asSet(keys))
}

// A dataset that is not declared any more keeps its objects; others go on.
func TestUndeclaredDatasetWaits(t *testing.T) {
	w := newWorld(t, "sales.orders", "sales.items")
	p := newPipeline(w)
	w.land(append(orders("a.csv"), "files/sales/items/x.csv")...)
	w.declare("sales.orders")
	answer := w.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || len(answer.Skipped) != 1 || answer.Skipped[0].Dataset != "sales.items" {
		t.Errorf("answer = %+v", answer)
	}
	w.declare("sales.orders", "sales.items")
	p.quiet()
	p.settled(asSet(append(orders("a.csv"), "files/sales/items/x.csv")))
}

// A batch keeps the manifest it was frozen with; a replay takes the current one.
func TestManifestIsPinned(t *testing.T) {
	w := newWorld(t, "sales.orders")
	p := newPipeline(w)
	w.land(orders("bad.csv")...)
	first := w.hash
	run := w.ask(`{"action": "drain"}`).Runs[0]
	w.declare("sales.orders", "sales.items")
	_, err := w.tell(&gate{}, contract.ActionFail, run.Run)
	must(t, err)
	var list contract.RunList
	again := w.ask(`{"action": "drain"}`).Runs[0].Run
	w.readJSON("runs/"+again+".json", &list)
	if list.Manifest != w.hash || list.Batches[0].Manifest != first {
		t.Errorf("run list = %+v, want the current manifest for publish and %s for the batch", list, first)
	}
	p.quiet()
	w.ask(`{"action": "replay", "batch": "` + run.Batches[0] + `"}`)
	b, err := w.table.Batch(t.Context(), run.Batches[0])
	if err != nil || b.Manifest != w.hash {
		t.Errorf("replayed batch pins %s, %v", b.Manifest, err)
	}
	p.quiet()
}
