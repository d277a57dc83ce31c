package dispatch

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Held are pending objects that wait for a full load, which is no error.
type Held struct {
	Dataset    string `json:"dataset"`
	Generation int    `json:"generation"`
	Objects    int    `json:"objects"`
	Reason     string `json:"reason"`
}

// loadFile is the base name DMS gives a file of a full load: a counter in hexadecimal digits.
var loadFile = regexp.MustCompile(`^LOAD[0-9A-F]{8}(\.|$)`)

// loadGate decides which pending objects of a replicated dataset may be claimed. What follows the full load of a
// generation must not be in the table before it: the load says which rows there are.
type loadGate struct {
	dataset    string
	generation func(key string) int
	loads      map[int]ledger.Load
	// roles gives the roles of the files of a load by object hash.
	roles func(generation int) (map[string]string, error)
	// held counts what waits, and why.
	held map[int]*Held
}

// verdict is what the gate says of an object.
type verdict int

const (
	claim verdict = iota
	hold
	ignore
	report
)

func (inv *invocation) newLoadGate(ctx context.Context, id string) (*loadGate, error) {
	loads, err := inv.Ledger.Loads(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the loads: %w", err)
	}
	known := map[int]map[string]string{}
	g := &loadGate{dataset: id, loads: loads, held: map[int]*Held{},
		generation: func(key string) int { return generationOf(inv.manifest.Manifest, key) },
		// Read when first asked for: of a load that is merged nobody asks any more.
		roles: func(n int) (map[string]string, error) {
			if known[n] == nil {
				if known[n], err = inv.Ledger.LoadObjects(ctx, id, n); err != nil {
					return nil, fmt.Errorf("read the files of load %d: %w", n, err)
				}
			}
			return known[n], nil
		}}
	return g, nil
}

// generationOf is the generation in whose folder the key lies, 0 if no landing with a generation claims it.
func generationOf(m *dataset.Manifest, key string) int {
	if at, ok := m.LandingOf(key); ok && at.Generation != nil {
		return *at.Generation
	}
	return 0
}

func isLoad(key string) bool { return loadFile.MatchString(path.Base(key)) }

// first is the lowest generation: an empty load of it leaves nothing to do, since there are no earlier rows.
const first = 1

// open tells whether what follows the generation's load may be claimed.
func (g *loadGate) open(n int) bool {
	l := g.loads[n]
	return l.State == ledger.LoadComplete && (!l.Snapshot || l.Batch != "" || (l.Objects == 0 && n == first))
}

// replacedBy is a later generation whose load is frozen while this one's never was, 0 if there is none.
func (g *loadGate) replacedBy(n int) int {
	if g.open(n) {
		return 0
	}
	for _, later := range slices.Backward(slices.Sorted(maps.Keys(g.loads))) {
		if later > n && g.loads[later].Snapshot && g.open(later) {
			return later
		}
	}
	return 0
}

// judge says what becomes of a pending object, and why.
func (g *loadGate) judge(p ledger.Pending) (verdict, string, error) {
	n := g.generation(p.Key)
	if n == 0 {
		return hold, "no landing of the dataset with a generation claims its key any more", nil
	}
	if later := g.replacedBy(n); later > 0 {
		return ignore, fmt.Sprintf("generation %d was loaded before the load of generation %d was frozen", later, n), nil
	}
	l, known := g.loads[n]
	switch {
	case !known:
		return hold, "its replication has not begun to load it", nil
	case l.State != ledger.LoadComplete:
		return hold, fmt.Sprintf("its load is not complete, it began at %s", l.StartedAt), nil
	case isLoad(p.Key):
		return g.judgeLoad(l, p)
	case g.open(n):
		return claim, "", nil
	default:
		return hold, fmt.Sprintf("not all of the %d objects of its load have been noticed", l.Objects), nil
	}
}

func (g *loadGate) judgeLoad(l ledger.Load, p ledger.Pending) (verdict, string, error) {
	roles, err := g.roles(l.Generation)
	if err != nil {
		return hold, "", err
	}
	switch role := roles[p.Hash]; {
	case role == ledger.LoadSuperseded:
		return ignore, "an earlier try of its load wrote it, and the load was then started anew", nil
	case role == "":
		return report, fmt.Sprintf("the load of generation %d was complete at %s without it; was the table loaded again by hand? Raise Generation of the "+
			"replication, which loads every table anew", l.Generation, l.CompletedAt), nil
	case l.Batch != "": // a replay has made it pending again
		return claim, "", nil
	default:
		return hold, fmt.Sprintf("not all of the %d objects of its load have been noticed", l.Objects), nil
	}
}

func (g *loadGate) hold(p ledger.Pending, reason string) {
	n := g.generation(p.Key)
	if g.held[n] == nil {
		g.held[n] = &Held{Dataset: g.dataset, Generation: n, Reason: reason}
	}
	g.held[n].Objects++
}

// freezeLoads freezes every complete load whose files are all pending, in the order of generations.
func (inv *invocation) freezeLoads(ctx context.Context, c *claimed, g *loadGate) ([]*ledger.Batch, error) {
	ready := slices.DeleteFunc(slices.Sorted(maps.Keys(g.loads)), func(n int) bool {
		return g.loads[n].State != ledger.LoadComplete || g.open(n) || g.replacedBy(n) > 0
	})
	if len(ready) == 0 {
		return nil, nil
	}
	files := map[int][]contract.Object{}
	err := inv.Ledger.PendingObjects(ctx, c.dataset, func(p ledger.Pending) (bool, error) {
		n := g.generation(p.Key)
		if !slices.Contains(ready, n) {
			return true, nil
		}
		roles, err := g.roles(n)
		if roles[p.Hash] == ledger.LoadCurrent {
			files[n] = append(files[n], p.Object)
		}
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("gather the files of loads: %w", err)
	}
	var batches []*ledger.Batch
	for _, n := range ready {
		l := g.loads[n]
		if int64(len(files[n])) != l.Objects {
			continue
		}
		if inv.short() {
			break
		}
		b, err := inv.freezeLoad(ctx, c, l, files[n])
		if b != nil {
			batches = append(batches, b)
		}
		if err != nil {
			return batches, err
		}
		l.Batch = b.ID
		g.loads[n] = l
	}
	return batches, nil
}

// freezeReplicated is freezePending for a dataset that a replication feeds. It tells whether objects have to wait.
func (inv *invocation) freezeReplicated(ctx context.Context, c *claimed) (batches []*ledger.Batch, waiting bool, err error) {
	g, err := inv.newLoadGate(ctx, c.dataset)
	if err != nil {
		return nil, false, err
	}
	if batches, err = inv.freezeLoads(ctx, c, g); err != nil || inv.summary.Incomplete {
		return batches, true, err
	}
	var unexpected []reported
	fresh, err := inv.freezePending(ctx, c, func(p ledger.Pending) (bool, error) {
		if p.Reason != "" {
			return false, nil
		}
		v, reason, err := g.judge(p)
		if err != nil {
			return false, err
		}
		switch v {
		case hold:
			g.hold(p, reason)
		case report:
			unexpected = append(unexpected, reported{p, reason})
		case ignore:
			return false, inv.settlePending(ctx, ledger.IgnorePending(c.dataset, p, reason))
		}
		return v == claim, nil
	})
	batches = append(batches, fresh...)
	if err != nil {
		return batches, true, err
	}
	for _, n := range slices.Sorted(maps.Keys(g.held)) {
		inv.summary.Held = append(inv.summary.Held, *g.held[n])
	}
	return batches, len(g.held) > 0, inv.reportUnexpected(ctx, c, unexpected)
}

// reported is an object that nobody expected.
type reported struct {
	ledger.Pending
	reason string
}

// reportUnexpected counts the objects and then keeps their reasons, so that each is counted at least once.
func (inv *invocation) reportUnexpected(ctx context.Context, c *claimed, unexpected []reported) error {
	if len(unexpected) == 0 {
		return nil
	}
	if err := inv.Settler.Metrics.Count(map[string]int64{contract.UnexpectedLoads: int64(len(unexpected))}); err != nil {
		return err
	}
	for _, u := range unexpected {
		if err := inv.settlePending(ctx, ledger.ReportPending(c.dataset, u.Pending, u.reason)); err != nil {
			return fmt.Errorf("report %s: %w", u.Key, err)
		}
	}
	return nil
}

// settlePending writes what becomes of one pending object; another invocation may have been first.
func (inv *invocation) settlePending(ctx context.Context, writes []ledger.Write) error {
	if err := inv.Ledger.Apply(ctx, writes...); err != nil && !ledger.Refused(err) {
		return err
	}
	return nil
}
