package lambdatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// generations is a scenario of two generations with a restarted load, in which one caller is killed.
func (s *source) generations(p *pipeline, step func(name string, act func(*gate) error)) []string {
	tick := func() {
		s.clock = s.clock.Add(time.Minute)
		step("replication", func(g *gate) error {
			_, err := s.controller(g).Handle(s.t.Context(), []byte(`{"action": "reconcile"}`))
			return err
		})
	}
	arrive := func(keys ...string) {
		records := s.wrote(keys...)
		step("notice", func(g *gate) error { s.noticed(g, records); return nil })
	}
	drain := func(request string) {
		step("dispatch", func(g *gate) error {
			_, err := s.dispatch(g).Handle(s.t.Context(), []byte(`{"action": "`+request+`"}`))
			return err
		})
		for _, name := range s.machine.running() {
			p.execute(name, alive)
		}
	}
	tick()
	tick() // DMS loads nothing before it was started
	s.loading(1)
	arrive(loadKey(1, 1)+"@a", changeKey(1, 1))
	s.clock = s.clock.Add(time.Minute)
	s.loading(1)
	arrive(loadKey(1, 1)+"@b", loadKey(1, 2), changeKey(1, 2))
	drain("drain")
	s.completed(1, 20)
	tick()
	tick()
	drain("drain")
	s.raise()
	tick()
	tick()
	s.loading(2)
	arrive(loadKey(2, 1), changeKey(2, 1), changeKey(1, 3))
	s.completed(2, 10)
	tick()
	drain("sweep")
	return []string{loadKey(1, 1), loadKey(1, 2), loadKey(2, 1), changeKey(1, 1), changeKey(1, 2), changeKey(1, 3), changeKey(2, 1)}
}

// TestKillAnywhereInALoad kills each caller before and after its side effects: the next ticks and sweeps must end as if
// nothing had happened.
func TestKillAnywhereInALoad(t *testing.T) {
	for _, victim := range []string{"replication", "dispatch", "notice"} {
		t.Run(victim, func(t *testing.T) {
			points, draw := 0, newDraw(t, 6)
			for k := 1; ; k = draw.next(k) {
				reached := false
				for _, after := range draw.sides() {
					reached = killInALoad(t, victim, k, after) || reached
					if t.Failed() {
						t.Fatalf("killed %s at call %d, after=%v", victim, k, after)
					}
				}
				if !reached {
					break
				}
				points++
			}
			t.Logf("%d calls", points)
			if points == 0 {
				t.Error("the caller makes no mutating call")
			}
		})
	}
}

func killInALoad(t *testing.T, victim string, k int, after bool) (reached bool) {
	s := newSource(newWorld(t))
	p := newPipeline(s.world)
	left := k // the call to die at, counted over all the victim's invocations
	landed := s.generations(p, func(name string, act func(*gate) error) {
		g := &gate{after: after}
		if name == victim && !reached && left > 0 {
			g.killAt = left
		}
		err := act(g)
		if name == victim {
			left -= g.calls
		}
		reached = reached || g.dead
		if err != nil && !g.dead && !errors.Is(err, errKilled) {
			t.Fatalf("%s: %v", name, err)
		}
	})
	s.tick()
	p.quiet()
	s.loadsHold()
	p.settled(asSet(landed))
	for g := 1; g <= 2; g++ {
		if starts := s.replications[configARN(g)]; starts == nil || starts.asked[0] != "start-replication" || slices.Contains(starts.asked[1:], "start-replication") {
			t.Errorf("generation %d: asked %+v", g, starts)
		}
	}
	return reached
}

// TestRandomLoads loads, changes and loads anew beside the random interleavings of everything else.
func TestRandomLoads(t *testing.T) {
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		seed := rand.Uint64()
		if *seedFlag != 0 {
			seed = *seedFlag
		}
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { randomLoads(t, seed) })
	}
}

func randomLoads(t *testing.T, seed uint64) {
	p := newPipeline(newWorld(t))
	s := newSource(p.world)
	st := &stage{pipeline: p, random: rand.New(rand.NewPCG(seed, 0)), landed: map[string]string{}, tokens: map[string]string{},
		executing: map[string]bool{}, ready: make(chan *actor), done: make(chan *actor)}
	landed, written, loaded := map[string]string{}, 0, map[int]bool{}
	land := func(keys ...string) {
		for _, k := range keys {
			key, _, _ := strings.Cut(k, "@")
			landed[key] = ""
		}
		records := s.wrote(keys...)
		st.spawn("notice", func(g gates) { s.noticed(g("notice"), records) })
	}
	act := func() {
		g := s.generation
		switch r := st.random.IntN(10); {
		case r < 3:
			written++
			land(changeKey(1+st.random.IntN(g), written))
		case r < 5 && !loaded[g]:
			s.loading(g) // anew if it had begun: what is there is superseded
			for n := range 1 + st.random.IntN(3) {
				written++
				land(fmt.Sprintf("%s@%d", loadKey(g, n+1), written))
			}
		case r < 7:
			st.spawn("replication", func(gs gates) {
				_, _ = s.controller(gs("replication")).Handle(t.Context(), []byte(`{"action": "reconcile"}`))
			})
		case r < 8 && s.replica().tables["customers"] != nil && !loaded[g]:
			loaded[g] = true
			s.completed(g, 1)
		case r < 9 && g < 3 && loaded[g]:
			s.raise()
		}
	}
	for step := range 600 {
		switch r := st.random.IntN(100); {
		case r < 12 && len(st.actors) < 5:
			act()
		case r < 22 && len(st.actors) < 5:
			st.dispatch()
		case r < 30 && len(st.actors) < 5:
			st.execution()
		case r < 31:
			st.abort()
		case r < 35:
			s.clock = s.clock.Add(time.Duration(st.random.IntN(90)) * time.Second)
		case r < 37:
			s.clock = s.clock.Add(lease)
		default:
			st.advance()
		}
		if step%40 == 0 {
			st.check()
			s.loadsHold()
		}
	}
	for len(st.actors) > 0 {
		st.advance()
	}
	g := s.generation
	if !loaded[g] {
		s.clock = s.clock.Add(time.Minute)
		s.loading(g)
		s.arrive(loadKey(g, 1) + "@last")
		s.completed(g, 1)
	}
	s.tick()
	p.quiet()
	s.loadsHold()
	s.accounted(landed)
	t.Logf("seed %d: %d objects in %d generations, %d executions, %d kills", seed, len(landed), g, len(s.machine.started), st.kills)
}

// accounted checks that nothing is pending and that every object is claimed, unreadable or ignored with a reason.
func (s *source) accounted(landed map[string]string) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, r := range s.rows() {
		if !strings.HasPrefix(r.s("pk"), "inbox#") || !strings.HasPrefix(r.s("sk"), "object#") {
			continue
		}
		seen[r.s("key")] = true
		switch state := r.s("state"); {
		case state == ledger.ObjectClaimed || state == ledger.ObjectUnreadable:
		case state == ledger.ObjectIgnored && r.s("reason") != "":
		default:
			s.t.Errorf("object %s (%s) is %s: %s", r.s("key"), r.s("version"), state, r.s("reason"))
		}
	}
	for key := range landed {
		if !seen[key] {
			s.t.Errorf("object %s is not in the inbox", key)
		}
	}
}
