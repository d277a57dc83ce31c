package lambdatest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

func (s *source) replica() *replica { return s.replications[configARN(s.generation)] }

func (s *source) counted(metric string) int {
	return strings.Count(s.emitted.String(), `"`+metric+`":`)
}

// Wrong credentials: a clear state, told once for each failure, and starts that become rarer; the operator's start tries
// at once.
func TestFailingReplicationIsResumed(t *testing.T) {
	s := newSource(newWorld(t))
	if s.tick(); !slices.Equal(s.replica().asked, []string{"start-replication"}) {
		t.Fatalf("asked %v", s.replica().asked)
	}
	starts := 1
	fail := func() { s.replica().status, s.replica().reason = "failed", "FATAL: password authentication failed" }
	fail()
	for minute := range 70 {
		answer := s.tick()
		if answer.Did != "" {
			starts++
			fail()
		}
		if minute == 0 && (!strings.Contains(answer.Message, "password") || !strings.Contains(answer.Mend, "secret") || answer.NextTry == "") {
			t.Errorf("answer = %+v", answer)
		}
	}
	if starts < 6 || starts > 8 {
		t.Errorf("%d starts in 70 minutes", starts)
	}
	if n := s.counted(contract.ReplicationErrors); n != starts {
		t.Errorf("%d failures were counted, there were %d", n, starts)
	}
	if n := s.counted(contract.ReplicationStopped); n != 70 {
		t.Errorf("it was stopped for 70 ticks, counted were %d", n)
	}
	if answer := s.control(contract.ActionStart); answer.Did != "resume-processing" {
		t.Errorf("the operator's start did %q", answer.Did)
	}
	s.loading(1)
	for range 12 {
		s.tick()
	}
	fail()
	if answer := s.tick(); answer.Did != "resume-processing" {
		t.Errorf("after it ran for a while: %+v", answer)
	}
}

// DMS may not count a first run that failed early.
func TestStartOfAnotherKind(t *testing.T) {
	s := newSource(newWorld(t))
	s.replica().status, s.replica().reason = "failed", "provisioning failed"
	if answer := s.tick(); answer.Did != "start-replication" || !slices.Equal(s.replica().asked, []string{"start-replication"}) {
		t.Errorf("answer = %+v, asked %v", answer, s.replica().asked)
	}
}

func TestPause(t *testing.T) {
	s := newSource(newWorld(t))
	s.tick()
	for _, action := range []string{contract.ActionStop, contract.ActionReconcile, contract.ActionStop} {
		if answer := s.control(action); !answer.Paused || s.replica().status != "stopped" {
			t.Errorf("%s: %+v, DMS says %s", action, answer, s.replica().status)
		}
	}
	if n := s.counted(contract.ReplicationStopped); n != 0 {
		t.Errorf("a pause was counted %d times", n)
	}
	r, err := s.table.Replication(t.Context(), "Erp")
	if err != nil || !r.Paused || r.PausedAt == "" {
		t.Errorf("record = %+v, %v", r, err)
	}
	if answer := s.control(contract.ActionStart); answer.Paused || s.replica().status != "running" {
		t.Errorf("start: %+v", answer)
	}
	s.tick()
	if n := s.counted(contract.ReplicationStopped) + s.counted(contract.ReplicationErrors); n != 0 {
		t.Errorf("a resumption was counted %d times", n)
	}
	if got := s.replica().asked; !slices.Equal(got, []string{"start-replication", "stop", "resume-processing"}) {
		t.Errorf("asked %v", got)
	}
}

// A suspended table does not stop the others, so nobody but the controller would tell.
func TestSuspendedTable(t *testing.T) {
	s := newSource(newWorld(t))
	s.tick()
	s.loading(1)
	state := "Table error"
	s.replica().tables["customers"].TableState = &state
	for range 2 {
		if answer := s.tick(); answer.Broken["public.customers"] != "Table error" || answer.Loads[customers] != "loading" {
			t.Errorf("answer = %+v", answer)
		}
	}
	if n := s.counted(contract.ReplicationTableErrors); n != 2 {
		t.Errorf("counted %d times in two ticks", n)
	}
	delete(s.replica().tables, "customers")
	for range 12 {
		s.tick()
	}
	r, err := s.table.Replication(t.Context(), "Erp")
	if err != nil || len(r.Tables) != 1 || r.Tables[0].State != "Table not found in the source" {
		t.Errorf("record = %+v, %v", r, err)
	}
}

// DMS goes on trying without end when the database disappears in mid-load, and is running all the while.
func TestLoadThatStandsStill(t *testing.T) {
	s := newSource(newWorld(t))
	s.tick()
	s.loading(1)
	told := func() int { return s.counted(contract.ReplicationTableErrors) }
	for range 39 {
		s.tick()
		s.replica().tables["customers"].FullLoadRows++
	}
	for range 40 {
		s.tick()
	}
	if n := told(); n != 0 {
		t.Errorf("it moved 40 minutes ago, counted %d times", n)
	}
	answer := s.tick()
	if n := told(); n != 1 || answer.Broken["public.customers"] != "Load stands still: Full load, 39 rows" || !strings.Contains(answer.Mend, "database answers") {
		t.Errorf("counted %d times, answer = %+v", n, answer)
	}
	s.replica().tables["customers"].FullLoadRows++
	if answer = s.tick(); told() != 1 || answer.Broken != nil || answer.Mend != "" {
		t.Errorf("it moves again: answer = %+v", answer)
	}
	s.completed(1, 0)
	for range 50 {
		answer = s.tick()
	}
	if told() != 1 || answer.Loads[customers] != "complete" {
		t.Errorf("loaded: answer = %+v", answer)
	}
}

func TestLoadWithoutFilesIsRefused(t *testing.T) {
	s := newSource(newWorld(t))
	s.tick()
	s.loading(1)
	s.completed(1, 7)
	s.clock = s.clock.Add(time.Minute)
	_, err := s.controller(&gate{}).Handle(t.Context(), []byte(`{"action": "reconcile"}`))
	if err == nil || !strings.Contains(err.Error(), "loaded 7 rows, but there is no file") {
		t.Errorf("got %v", err)
	}
	if n := s.counted(contract.ReplicationErrors); n != 1 {
		t.Errorf("a controller that fails was counted %d times", n)
	}
	loads, err := s.table.Loads(t.Context(), customers)
	if err != nil || loads[1].State != ledger.LoadLoading {
		t.Errorf("load = %+v, %v", loads[1], err)
	}
}

// An earlier generation runs on until the next one is loaded, is then stopped, and is deleted if CloudFormation could not.
func TestEarlierGenerationIsRetired(t *testing.T) {
	s := newSource(newWorld(t))
	s.tick()
	s.raise()
	old := s.replications[configARN(1)]
	if answer := s.tick(); len(answer.Retired) != 1 || old.status != "running" || s.replica().status != "running" {
		t.Errorf("answer = %+v, the old one is %s", answer, old.status)
	}
	s.loading(2)
	s.completed(2, 0)
	s.tick()
	if old.status != "stopped" {
		t.Errorf("the old one is %s", old.status)
	}
	s.tick()
	if s.replications[configARN(1)] == nil {
		t.Error("it was deleted while a deployment may still be rolled back")
	}
	s.clock = s.clock.Add(2 * time.Hour)
	s.tick()
	if answer := s.tick(); s.replications[configARN(1)] != nil || len(answer.Retired) != 0 {
		t.Errorf("answer = %+v, want it gone", answer)
	}
}
