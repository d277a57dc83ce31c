package lambdatest

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "seed of the random choices; 0 draws new ones")
	roundsFlag = flag.Int("rounds", 4, "random interleavings to run")
)

// TestRandomInterleavings lets invocations of every function run at once, call by call in random order, killed at
// random calls, with executions aborted and time passing, and then lets everything come to rest.
func TestRandomInterleavings(t *testing.T) {
	rounds := *roundsFlag
	if testing.Short() {
		rounds = 2
	}
	if *seedFlag != 0 {
		interleave(t, *seedFlag)
		return
	}
	for range rounds {
		if seed := rand.Uint64(); !interleave(t, seed) {
			return
		}
	}
}

func interleave(t *testing.T, seed uint64) bool {
	return t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		p := newPipeline(newWorld(t, "sales.orders", "sales.items", "web.clicks"))
		s := &stage{pipeline: p, random: rand.New(rand.NewPCG(seed, 0)), landed: map[string]string{}, tokens: map[string]string{},
			executing: map[string]bool{}, ready: make(chan *actor), done: make(chan *actor),
			folders: []string{"files/sales/orders/", "files/sales/items/", "files/web/clicks/"}}
		for step := range 600 {
			s.step()
			if step%10 == 0 {
				s.check()
			}
		}
		for len(s.actors) > 0 {
			s.advance()
		}
		s.check()
		p.quiet()
		s.check()
		p.settled(s.landed)
		t.Logf("seed %d: %d objects, %d executions, %d applied, %d kills, %d aborts", seed, len(s.landed), len(s.machine.started),
			len(p.applied), s.kills, s.aborts)
	})
}

// stage runs one actor at a time, from one call of its to the next.
type stage struct {
	*pipeline
	random       *rand.Rand
	actors       []*actor
	ready, done  chan *actor
	landed       map[string]string
	folders      []string
	redeliver    []events.SQSMessage
	executing    map[string]bool
	tokens       map[string]string
	kills, count int
	aborts       int
}

type actor struct {
	name string
	turn chan struct{}
}

func (s *stage) check() {
	s.t.Helper()
	if problem := s.always(s.tokens); problem != "" {
		s.t.Fatal(problem)
	}
}

func (s *stage) step() {
	switch r := s.random.IntN(100); {
	case r < 4 && len(s.actors) < 6:
		s.land()
	case r < 10 && len(s.actors) < 6:
		s.dispatch()
	case r < 17 && len(s.actors) < 6:
		s.execution()
	case r < 18:
		s.abort()
	case r < 20:
		s.clock = s.clock.Add(time.Duration(s.random.IntN(60)) * time.Second)
	case r < 21:
		s.clock = s.clock.Add(lease)
	default:
		s.advance()
	}
}

// spawn starts an actor, which waits for its first turn.
func (s *stage) spawn(name string, act func(gates)) {
	a := &actor{name: name, turn: make(chan struct{})}
	yield := func() {
		s.ready <- a
		<-a.turn
	}
	s.actors = append(s.actors, a)
	go func() {
		<-a.turn
		act(func(string) *gate {
			g := &gate{turn: yield}
			if s.random.IntN(3) == 0 {
				s.kills++
				g.killAt, g.after = 1+s.random.IntN(8), s.random.IntN(2) == 0
			}
			return g
		})
		s.done <- a
	}()
}

// advance gives one actor its turn and waits until it asks for the next or ends.
func (s *stage) advance() {
	if len(s.actors) == 0 {
		return
	}
	a := s.actors[s.random.IntN(len(s.actors))]
	a.turn <- struct{}{}
	select {
	case <-s.ready:
	case <-s.done:
		s.actors = slices.DeleteFunc(s.actors, func(b *actor) bool { return a == b })
	}
}

func (s *stage) land() {
	var records []events.SQSMessage
	for range 1 + s.random.IntN(5) {
		s.count++
		folder := s.folders[s.random.IntN(len(s.folders))]
		kind := []string{"good", "good", "good", "bad", "block"}[s.random.IntN(5)]
		key := fmt.Sprintf("%s%s%d.csv", folder, kind, s.count)
		s.landed[key] = ""
		records = append(records, s.landedEvent(key))
	}
	if len(s.redeliver) > 0 && s.random.IntN(3) == 0 {
		records = append(records, s.redeliver[s.random.IntN(len(s.redeliver))])
	}
	s.redeliver = append(s.redeliver, records...)
	s.spawn("notice", func(g gates) {
		for try := 0; len(records) > 0; try++ {
			gate := g("notice")
			if try > 2 {
				gate.killAt = 0
			}
			answer, _ := s.notice(gate).Handle(s.t.Context(), events.SQSEvent{Records: records})
			if gate.dead {
				continue // a dead invocation answers nothing: all its messages come again
			}
			var again []events.SQSMessage
			for _, f := range answer.BatchItemFailures {
				again = append(again, records[slices.IndexFunc(records, func(m events.SQSMessage) bool { return m.MessageId == f.ItemIdentifier })])
			}
			records = again
		}
	})
}

func (s *stage) landedEvent(key string) events.SQSMessage { return s.world.landed(key, "v1", 10) }

func (s *stage) dispatch() {
	request := `{"action": "drain"}`
	switch s.random.IntN(4) {
	case 0:
		request = `{"action": "sweep"}`
	case 1:
		request = `{"action": "replay", "dataset": "sales.orders"}`
	}
	s.spawn(request, func(g gates) {
		_, _ = s.world.dispatch(g("dispatch")).Handle(s.t.Context(), json.RawMessage(request))
	})
}

func (s *stage) execution() {
	for _, name := range s.machine.running() {
		if !s.executing[name] {
			s.executing[name] = true
			s.spawn("execution "+name, func(g gates) { s.execute(name, g) })
			return
		}
	}
}

// abort ends an execution from outside. Its job may go on for a while; the event about it may get lost.
func (s *stage) abort() {
	running := s.machine.running()
	if len(running) == 0 {
		return
	}
	s.aborts++
	name := running[s.random.IntN(len(running))]
	s.machine.executions[name].status = sfntypes.ExecutionStatusAborted
	if s.random.IntN(3) == 0 {
		return
	}
	fixture, err := os.ReadFile("testdata/execution_aborted.json")
	must(s.t, err)
	event := strings.ReplaceAll(string(fixture), "NAME", name)
	s.spawn("aborted "+name, func(g gates) {
		_, _ = s.world.record(g("record")).Handle(s.t.Context(), json.RawMessage(event))
	})
}
