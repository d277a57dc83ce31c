package lambdatest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
)

func snapshotWorld(t *testing.T, stamp string) *world {
	t.Helper()
	w := newWorld(t)
	spec := dataset.Spec{Domain: "supply", Name: "suppliers", Load: dataset.Snapshot, Keys: []string{"id"}, Deliveries: dataset.Deliveries{Stamp: stamp},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}}}
	w.deploy([]dataset.Spec{spec}, []dataset.Landing{{Prefix: "files/supply/suppliers/", Dataset: "supply.suppliers", Source: "Files"}})
	return w
}

func (w *world) wantBatches(request string, want ...string) {
	w.t.Helper()
	var got []string
	for _, started := range w.ask(request).Runs {
		for _, b := range started.Batches {
			got = append(got, strings.ReplaceAll(strings.Join(w.list(b), " "), "files/supply/suppliers/", ""))
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("batches = %q, want %q", got, want)
	}
}

// A batch is one delivery, however small, and deliveries that wait together go in the order of their stamps.
func TestEachSnapshotIsABatchInItsOrder(t *testing.T) {
	w := snapshotWorld(t, time.DateOnly)
	p := newPipeline(w)
	var keys []string
	for _, name := range []string{"s-2026-03-01.csv", "1999/s-2026-01-05.csv", "no stamp.csv", "s-2026-02-01.csv", "again/s-2026-02-01.csv"} {
		keys = append(keys, "files/supply/suppliers/"+name)
	}
	w.land(keys...)
	w.wantBatches(`{"action": "drain"}`, "no stamp.csv", "1999/s-2026-01-05.csv", "s-2026-02-01.csv", "again/s-2026-02-01.csv", "s-2026-03-01.csv")
	p.quiet()
	p.settled(asSet(keys))
}

func TestSnapshotsWithoutStampGoAsTheyLanded(t *testing.T) {
	w := snapshotWorld(t, "")
	p := newPipeline(w)
	keys := []string{"files/supply/suppliers/b.csv", "files/supply/suppliers/a.csv"}
	w.land(keys...)
	w.wantBatches(`{"action": "drain"}`, "b.csv", "a.csv")
	p.quiet()
	p.settled(asSet(keys))
}

// A dispatch that dies anywhere while it freezes snapshots leaves each of them to be applied once.
func TestSnapshotsSurviveAKilledDispatch(t *testing.T) {
	keys := []string{"files/supply/suppliers/2026-02-01.csv", "files/supply/suppliers/2026-01-01.csv"}
	for at := 1; at < 40; at++ {
		for _, after := range []bool{false, true} {
			w := snapshotWorld(t, time.DateOnly)
			p := newPipeline(w)
			w.land(keys...)
			killed := &gate{killAt: at, after: after}
			_, _ = w.dispatch(killed).Handle(t.Context(), []byte(`{"action": "`+contract.ActionDrain+`"}`))
			w.clock = w.clock.Add(lease + time.Minute)
			p.quiet()
			p.settled(asSet(keys))
			if !killed.dead {
				return
			}
		}
	}
	t.Error("the dispatch never got to its end")
}
