package lambdatest

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/strata-cdk/strata/lambda/contract"
)

var everyFlag = flag.Bool("every", false, "kill at every call, before and after it")

// scenario lands objects of two datasets in two waves and carries them through, with a gate for every caller.
type scenario struct {
	*pipeline
	keys []string
	// victim is the caller that is killed, at its mutating call k, before or after it.
	victim string
	k      int
	after  bool
	// reached tells whether the victim made that call.
	reached bool
	dead    map[string]bool
}

// gate arms the first caller of that name.
func (s *scenario) gate(step string) *gate {
	if step != s.victim || s.dead[step] {
		return &gate{}
	}
	s.dead[step] = true
	return &gate{killAt: s.k, after: s.after}
}

func (s *scenario) run() {
	s.t.Helper()
	wave := func(keys ...string) {
		s.keys = append(s.keys, keys...)
		var records []events.SQSMessage
		for _, k := range keys {
			records = append(records, s.landed(k, "v1", 10))
		}
		g := s.gate("notice")
		answer, err := s.notice(g).Handle(s.t.Context(), events.SQSEvent{Records: records})
		must(s.t, err)
		s.reached = s.reached || g.dead
		if g.dead || len(answer.BatchItemFailures) > 0 { // the queue delivers again
			answer, err = s.notice(&gate{}).Handle(s.t.Context(), events.SQSEvent{Records: records})
			must(s.t, err)
			if len(answer.BatchItemFailures) > 0 {
				s.t.Fatalf("refused: %v", answer)
			}
		}
	}
	ask := func(request string) {
		g := s.gate("dispatch")
		_, err := s.dispatch(g).Handle(s.t.Context(), json.RawMessage(request))
		s.reached = s.reached || g.dead
		if err != nil && !g.dead {
			s.t.Fatal(err)
		}
	}
	executions := func() {
		for _, name := range s.machine.running() {
			gates := map[string]*gate{}
			s.execute(name, func(step string) *gate {
				g := s.gate(step)
				gates[step+fmt.Sprint(len(gates))] = g
				return g
			})
			for _, g := range gates {
				s.reached = s.reached || g.dead
			}
		}
	}
	wave(append(orders("a.csv", "b.csv", "c.csv", "bad.csv"), "files/sales/items/x.csv", "nowhere/y.csv")...)
	ask(`{"action": "drain"}`)
	ask(`{"action": "drain"}`) // at once, before any lease has expired
	executions()
	wave(append(orders("d.csv", "e.csv"), "files/sales/items/block.csv")...)
	ask(`{"action": "sweep"}`)
	executions()
	s.quiet()
}

// draw chooses the calls to kill at: with -every all of them, before and after; else the first and then one of `of` on
// average, before or after. The end-to-end tests kill at every side effect of a whole lake.
type draw struct {
	random *rand.Rand
	of     int
}

func newDraw(t *testing.T, of int) draw {
	if *everyFlag {
		return draw{}
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	return draw{rand.New(rand.NewPCG(seed, 0)), of}
}

func (d draw) next(k int) int {
	if d.random == nil {
		return k + 1
	}
	return k + 1 + d.random.IntN(2*d.of-1)
}

func (d draw) sides() []bool {
	if d.random == nil {
		return []bool{false, true}
	}
	return []bool{d.random.IntN(2) == 1}
}

// TestKillAnywhere kills each caller before and after each of its side effects; the rest must end as if nothing had
// happened.
func TestKillAnywhere(t *testing.T) {
	for _, victim := range []string{"notice", "dispatch", "refine", contract.ActionRefined, "publish", contract.ActionFinish} {
		t.Run(victim, func(t *testing.T) {
			points, draw := 0, newDraw(t, 3)
			for k := 1; ; k = draw.next(k) {
				reached := false
				for _, after := range draw.sides() {
					s := &scenario{pipeline: newPipeline(newWorld(t, "sales.orders", "sales.items")), victim: victim, k: k, after: after,
						dead: map[string]bool{}}
					s.run()
					landed := asSet(s.keys)
					delete(landed, "nowhere/y.csv")
					s.settled(landed)
					if problem := s.always(map[string]string{}); problem != "" {
						t.Error(problem)
					}
					if t.Failed() {
						t.Fatalf("killed %s at call %d, after=%v", victim, k, after)
					}
					reached = reached || s.reached
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

// A fail that is cut short is finished by whoever comes next.
func TestKillFail(t *testing.T) {
	points, draw := 0, newDraw(t, 3)
	for k := 1; ; k = draw.next(k) {
		reached := false
		for _, after := range draw.sides() {
			p := newPipeline(newWorld(t, "sales.orders", "sales.items"))
			keys := append(orders("a.csv", "b.csv", "c.csv", "d.csv"), "files/sales/items/x.csv")
			p.land(keys...)
			name := p.ask(`{"action": "drain"}`).Runs[0].Run
			victim := &gate{killAt: k, after: after}
			p.execute(name, func(step string) *gate {
				switch step {
				case "refine":
					return &gate{killAt: 3}
				case contract.ActionFail:
					return victim
				}
				return &gate{}
			})
			reached = reached || victim.dead
			p.quiet()
			p.settled(asSet(keys))
			if t.Failed() {
				t.Fatalf("killed fail at call %d, after=%v", k, after)
			}
		}
		if !reached {
			t.Logf("%d calls", points)
			return
		}
		points++
	}
}
