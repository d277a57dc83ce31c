package lambdatest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// frozen are the dataset's batches in the order they were frozen, as <load generation>:<base names>.
func (s *source) frozen() []string {
	s.t.Helper()
	var out []string
	must(s.t, s.table.BatchesOf(s.t.Context(), customers, "", "", func(b *ledger.Batch) (bool, error) {
		var list contract.BatchList
		s.readJSON(contract.BatchListKey(b.ID), &list)
		var names []string
		for _, o := range list.Objects {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(o.Key, "erp/"), ".parquet")+"@"+o.Version)
		}
		generation := 0
		if list.Load != nil {
			generation = list.Load.Generation
		}
		if generation != b.Load {
			s.t.Errorf("batch %s: the list says load %d, the record %d", b.ID, generation, b.Load)
		}
		out = append(out, strings.ReplaceAll(fmt.Sprintf("%d:%s", generation, strings.Join(names, ",")), "public/customers/", ""))
		return true, nil
	}))
	return out
}

func (s *source) wantFrozen(want ...string) {
	s.t.Helper()
	if got := s.frozen(); !slices.Equal(got, want) {
		s.t.Errorf("batches:\n got  %q\n want %q", got, want)
	}
}

// loadsHold checks what holds at every moment: no change of a generation is frozen before the generation's load, a load's
// batch holds exactly the current files of the load, and every file of a load is in one batch at most.
func (s *source) loadsHold() {
	s.t.Helper()
	loads, err := s.table.Loads(s.t.Context(), customers)
	must(s.t, err)
	var before []string
	inBatch := map[contract.ObjectID]bool{}
	for _, r := range s.rows() {
		if strings.HasPrefix(r.s("pk"), "batch#") && r.s("dataset") == customers {
			before = append(before, r.s("frozen_at")+" "+r.s("pk")[len("batch#"):])
		}
	}
	slices.Sort(before)
	seen := map[int]bool{}
	for _, entry := range before {
		_, id, _ := strings.Cut(entry, " ")
		var list contract.BatchList
		s.readJSON(contract.BatchListKey(id), &list)
		if list.Load != nil {
			s.exactly(loads[list.Load.Generation], list)
			seen[list.Load.Generation] = true
			continue
		}
		for _, o := range list.Objects {
			var g int
			_, _ = fmt.Sscanf(o.Key, "erp/g%d/", &g)
			if l := loads[g]; !seen[g] && (l.Objects > 0 || g > 1) {
				s.t.Errorf("%s is frozen in batch %s before the load of generation %d", o.Key, id, g)
			}
			if o := (contract.ObjectID{Key: o.Key, Version: o.Version}); inBatch[o] {
				s.t.Errorf("%v is in two batches", o)
			} else {
				inBatch[o] = true
			}
		}
	}
}

func (s *source) exactly(l ledger.Load, list contract.BatchList) {
	s.t.Helper()
	roles, err := s.table.LoadObjects(s.t.Context(), customers, list.Load.Generation)
	must(s.t, err)
	want := 0
	for _, role := range roles {
		if role == ledger.LoadCurrent {
			want++
		}
	}
	for _, o := range list.Objects {
		if roles[contract.ObjectHash(o.Key, o.Version)] != ledger.LoadCurrent {
			s.t.Errorf("batch %s of load %d holds %s (%s), which is no current file of it", list.Batch, list.Load.Generation, o.Key, o.Version)
		}
	}
	if len(list.Objects) != want || l.Batch != list.Batch || l.State != ledger.LoadComplete {
		s.t.Errorf("load %+v of %d files has batch %s of %d", l, want, list.Batch, len(list.Objects))
	}
}

func (s *source) object(key, version string) ledger.Noticed {
	s.t.Helper()
	o, err := s.table.Object(s.t.Context(), customers, contract.ObjectHash(key, version))
	must(s.t, err)
	return o
}

func TestChangesWaitForTheLoad(t *testing.T) {
	s := newSource(newWorld(t))
	p := newPipeline(s.world)
	drain := func() []string {
		answer := s.ask(`{"action": "drain"}`)
		if len(answer.Runs) > 0 || len(answer.Held) != 1 {
			t.Fatalf("answer = %+v", answer)
		}
		return []string{fmt.Sprint(answer.Held[0].Objects), answer.Held[0].Reason}
	}
	s.arrive(changeKey(1, 1), changeKey(1, 2))
	if held := drain(); held[0] != "2" || !strings.Contains(held[1], "has not begun") {
		t.Errorf("before anything: %v", held)
	}
	if did := s.tick().Did; did != "start-replication" {
		t.Errorf("the controller did %q", did)
	}
	s.loading(1)
	s.arrive(loadKey(1, 1), loadKey(1, 2), loadKey(1, 10))
	if held := drain(); held[0] != "5" || !strings.Contains(held[1], "is not complete") {
		t.Errorf("while it loads: %v", held)
	}
	late := s.wrote(loadKey(1, 11))
	s.completed(1, 4000)
	wakes := len(s.wakes.messages)
	if loads := s.tick().Loads; loads[customers] != "complete" || len(s.wakes.messages) == wakes {
		t.Errorf("loads = %v, %d wakes", loads, len(s.wakes.messages)-wakes)
	}
	if held := drain(); held[0] != "5" || !strings.Contains(held[1], "not all of the 4 objects") {
		t.Errorf("before the last event: %v", held)
	}
	s.noticed(&gate{}, late)
	s.arrive(changeKey(1, 3))
	// At most 3 objects make a batch, but a load is whole.
	answer := s.ask(`{"action": "drain"}`)
	if len(answer.Runs) != 1 || len(answer.Runs[0].Batches) != 2 || len(answer.Held) != 0 {
		t.Fatalf("answer = %+v", answer)
	}
	s.wantFrozen("1:g1/LOAD00000001@v1,g1/LOAD00000002@v1,g1/LOAD0000000A@v1,g1/LOAD0000000B@v1",
		"0:g1/20260131-000000001@v1,g1/20260131-000000002@v1,g1/20260131-000000003@v1")
	var list contract.RunList
	s.readJSON("runs/"+answer.Runs[0].Run+".json", &list)
	if first, err := s.table.Batch(t.Context(), list.Batches[0].Batch); err != nil || first.Load != 1 {
		t.Errorf("the run begins with %+v, %v", first, err)
	}
	loads, err := s.table.Loads(t.Context(), customers)
	if l := loads[1]; err != nil || l.Objects != 4 || l.Rows != 4000 || l.Batch == "" || l.Replication != configARN(1) {
		t.Errorf("load = %+v, %v", l, err)
	}
	p.quiet()
	s.loadsHold()
	p.settled(asSet([]string{changeKey(1, 1), changeKey(1, 2), changeKey(1, 3), loadKey(1, 1), loadKey(1, 2), loadKey(1, 10), loadKey(1, 11)}))
}

// A load that DMS starts anew leaves earlier versions and files behind; they are neither waited for nor loaded.
func TestRestartedLoad(t *testing.T) {
	s := newSource(newWorld(t))
	p := newPipeline(s.world)
	s.tick()
	s.loading(1)
	s.arrive(loadKey(1, 1)+"@a", loadKey(1, 2)+"@a", loadKey(1, 3)+"@a")
	s.clock = s.clock.Add(time.Minute)
	s.loading(1)
	s.arrive(loadKey(1, 1)+"@b", loadKey(1, 2)+"@b", changeKey(1, 1))
	s.completed(1, 2000)
	s.tick()
	s.ask(`{"action": "drain"}`)
	s.wantFrozen("1:g1/LOAD00000001@b,g1/LOAD00000002@b", "0:g1/20260131-000000001@v1")
	for n := 1; n <= 3; n++ {
		if o := s.object(loadKey(1, n), "a"); o.State != ledger.ObjectIgnored {
			t.Errorf("%s of the earlier try is %s", loadKey(1, n), o.State)
		}
	}
	p.quiet()
	s.loadsHold()
	p.settled(asSet([]string{loadKey(1, 1), loadKey(1, 2), changeKey(1, 1)}))
	if strings.Contains(s.emitted.String(), contract.UnexpectedLoads) {
		t.Error("a restarted load was reported as unexpected")
	}
}

// An empty table has no files. Its first load leaves nothing to do; a later one says that all earlier rows are gone.
func TestEmptyLoads(t *testing.T) {
	s := newSource(newWorld(t))
	p := newPipeline(s.world)
	s.tick()
	s.loading(1)
	s.completed(1, 0)
	s.tick()
	s.arrive(changeKey(1, 1))
	s.ask(`{"action": "drain"}`)
	s.wantFrozen("0:g1/20260131-000000001@v1")
	p.quiet()
	for range 2 {
		s.raise()
		s.tick()
		s.loading(s.generation)
		s.completed(s.generation, 0)
		s.tick()
		p.quiet()
	}
	s.wantFrozen("0:g1/20260131-000000001@v1", "2:", "3:")
	s.loadsHold()
	p.settled(asSet([]string{changeKey(1, 1)}))
}

// A load by hand into a folder that is loaded already is never merged, is counted once, and holds up nothing.
func TestUnexpectedLoad(t *testing.T) {
	s := newSource(newWorld(t))
	p := newPipeline(s.world)
	s.tick()
	s.loading(1)
	s.arrive(loadKey(1, 1))
	s.completed(1, 10)
	s.tick()
	p.quiet()
	s.arrive(loadKey(1, 1)+"@v2", loadKey(1, 2), changeKey(1, 1))
	for range 2 {
		s.ask(`{"action": "sweep"}`)
		p.quiet()
	}
	s.wantFrozen("1:g1/LOAD00000001@v1", "0:g1/20260131-000000001@v1")
	if got := s.emitted.String(); strings.Count(got, `"UnexpectedLoads":2`) != 1 || strings.Count(got, contract.UnexpectedLoads) != 2 {
		t.Errorf("metrics = %s", got)
	}
	waiting := 0
	must(t, s.table.PendingObjects(t.Context(), customers, func(o ledger.Pending) (bool, error) {
		waiting++
		if !strings.Contains(o.Reason, "Raise Generation") {
			t.Errorf("%s: reason %q", o.Key, o.Reason)
		}
		return true, nil
	}))
	if waiting != 2 {
		t.Errorf("%d objects are pending, want 2", waiting)
	}
	// The mend: a new generation.
	s.raise()
	s.tick()
	s.loading(2)
	s.arrive(loadKey(2, 1))
	s.completed(2, 10)
	s.tick()
	p.quiet()
	s.wantFrozen("1:g1/LOAD00000001@v1", "0:g1/20260131-000000001@v1", "2:g2/LOAD00000001@v1")
	s.loadsHold()
}

// A generation that is replaced before its load is complete leaves nothing behind; late changes of a loaded one are taken.
func TestGenerations(t *testing.T) {
	s := newSource(newWorld(t))
	p := newPipeline(s.world)
	s.tick()
	s.loading(1)
	s.arrive(loadKey(1, 1), changeKey(1, 1))
	s.completed(1, 10)
	s.tick()
	p.quiet()
	s.raise()
	s.tick()
	s.loading(2)
	s.arrive(loadKey(2, 1), changeKey(2, 1), changeKey(1, 2))
	p.ask(`{"action": "drain"}`)
	s.raise()
	s.tick()
	s.loading(3)
	s.arrive(loadKey(3, 1), changeKey(3, 1), changeKey(2, 2), changeKey(1, 3))
	s.completed(3, 10)
	s.tick()
	p.quiet()
	s.wantFrozen("1:g1/LOAD00000001@v1", "0:g1/20260131-000000001@v1", "0:g1/20260131-000000002@v1", "3:g3/LOAD00000001@v1",
		"0:g3/20260131-000000001@v1,g1/20260131-000000003@v1")
	for _, key := range []string{loadKey(2, 1), changeKey(2, 1), changeKey(2, 2)} {
		if o := s.object(key, "v1"); o.State != ledger.ObjectIgnored {
			t.Errorf("%s of the replaced generation is %s", key, o.State)
		}
	}
	s.loadsHold()
	p.settled(asSet([]string{loadKey(1, 1), changeKey(1, 1), changeKey(1, 2), changeKey(1, 3), loadKey(3, 1), changeKey(3, 1)}))
}

// A file of a load that could not be read is taken up by a replay, in a batch of its own.
func TestUnreadableLoadFileIsReplayed(t *testing.T) {
	s := newSource(newWorld(t))
	p := newPipeline(s.world)
	s.tick()
	s.loading(1)
	torn := folder(1) + "bad/LOAD00000002.parquet"
	s.arrive(loadKey(1, 1), torn)
	s.completed(1, 20)
	s.tick()
	p.quiet()
	p.mended = true
	s.ask(`{"action": "replay", "dataset": "erp.customers", "state": "applied"}`)
	p.quiet()
	s.wantFrozen("1:g1/LOAD00000001@v1,g1/bad/LOAD00000002@v1", "0:g1/bad/LOAD00000002@v1")
	p.settled(asSet([]string{loadKey(1, 1), torn}))
	if strings.Contains(s.emitted.String(), contract.UnexpectedLoads) {
		t.Error("a replayed file was reported as unexpected")
	}
}

// Changes alone have no load to wait for.
func TestChangesAlone(t *testing.T) {
	s := newSource(newWorld(t))
	s.mode = contract.ModeChangesOnly
	p := newPipeline(s.world)
	s.arrive(changeKey(1, 1))
	s.tick()
	p.quiet()
	s.wantFrozen("0:g1/20260131-000000001@v1")
	p.settled(asSet([]string{changeKey(1, 1)}))
}
