package dataset

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// NewManifest renders declarations into the manifest of a lake. It validates everything it is given and reports every
// problem at once, with paths Lake, Datasets[0]…, Landing[0]… and Models["<file>"]. The order of specs, landing and
// models does not matter, and none of them is changed.
func NewManifest(lake string, specs []Spec, landing []Landing, models []Model) (*Manifest, error) {
	var l check.List
	l.Under("Lake", ValidateLakeName(lake))
	l.Under("Datasets", ValidateAll(specs))
	checkCompleted(&l, specs, landing)
	declared, ids := map[string]Spec{}, map[string]bool{}
	for _, s := range specs {
		declared[s.ID()], ids[s.ID()] = s, true
	}
	checkLanding(&l, landing, declared)
	l.Under("Models", checkReferences(models, ids))
	ordered, err := order(models)
	l.Under("Models", err)
	if err := l.Err(); err != nil {
		return nil, err
	}
	m := &Manifest{
		SchemaVersion: SchemaVersion, Lake: lake, OperationsDatabase: OperationsDatabase(lake),
		Datasets: make([]Entry, 0, len(specs)), Landing: make([]Landing, 0, len(landing)), Models: ordered,
	}
	for _, s := range specs {
		m.Datasets = append(m.Datasets, s.entry(lake))
	}
	for _, at := range landing {
		at.Generation = clone(at.Generation)
		m.Landing = append(m.Landing, at)
	}
	for i := range m.Models {
		m.Models[i].Database = CuratedDatabase(lake, m.Models[i].Domain)
		m.Models[i].Inputs = append([]string{}, m.Models[i].Inputs...)
	}
	slices.SortFunc(m.Datasets, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	for _, name := range vaults(specs) {
		m.Vaults = append(m.Vaults, Vault{Name: name, Database: VaultDatabase(lake, name)})
	}
	slices.SortFunc(m.Landing, func(a, b Landing) int { return strings.Compare(a.Prefix, b.Prefix) })
	return m, nil
}

// vaults are the names of those that columns are tokenised for, sorted.
func vaults(specs []Spec) []string {
	found := map[string]bool{}
	for _, s := range specs {
		for _, c := range s.Columns {
			if name, tokenised := c.Protect.Vault(); tokenised {
				found[name] = true
			}
		}
	}
	return sorted(found)
}

func (s Spec) entry(lake string) Entry {
	e := Entry{
		ID: s.ID(), Domain: s.Domain, Name: s.Name, Owner: s.Owner, Doc: s.Doc,
		Load: s.Load, Keys: append([]string{}, s.Keys...), Rules: Rules{}, Profile: s.Profile, TableFormat: s.TableFormat,
		Maintenance:     s.Maintenance.render(),
		Subject:         s.Subject.render(),
		CleanedDatabase: CleanedDatabase(lake, s.Domain), QuarantineDatabase: QuarantineDatabase(lake, s.Domain),
	}
	for _, r := range s.Rules {
		if r.kind == kindUniqueKey {
			e.UniqueKey = true
		} else {
			e.Rules = append(e.Rules, r)
		}
	}
	e.Gate.MinRows, e.Window = s.Gate.MinRows, s.Window.render()
	if share := s.Gate.MaxQuarantinedShare; share != nil {
		e.Gate.MaxQuarantinedShare = Share(*share)
	}
	if s.Load == Snapshot {
		e.Delivery, e.Gate.MaxDeletedShare = s.Deliveries.render(), Share(defaultDeletedShare)
		if share := s.Gate.MaxDeletedShare; share != nil {
			e.Gate.MaxDeletedShare = Share(*share)
		}
	}
	if s.Drift != Report {
		e.Drift = &s.Drift
	}
	format := s.Format
	if format == nil {
		format = CSV{}
	}
	e.Format = format.render()
	if s.Sequence != "" {
		e.Sequence = &s.Sequence
	}
	if s.Freshness != 0 {
		seconds := int64(s.Freshness / time.Second)
		e.FreshnessSeconds = &seconds
	}
	for _, c := range s.Columns {
		c.Required = c.Required || c.Name == s.Sequence || c.Name == s.Window.Column || slices.Contains(s.Keys, c.Name)
		c.Rules = append(Rules{}, c.Rules...)
		e.Columns = append(e.Columns, c)
	}
	return e
}

// checkCompleted judges that a source has completed each CDC dataset: Validate accepts a declaration without it.
func checkCompleted(l *check.List, specs []Spec, landing []Landing) {
	for i, s := range specs {
		if s.Load != CDC {
			continue
		}
		const mend = "the dataset in a source that replicates a database, which supplies format and landing"
		path := check.Index("Datasets", i)
		if s.Format == nil {
			l.Add(path+".Format", "is missing: no source of changes delivers the dataset", nil, mend)
		}
		if !slices.ContainsFunc(landing, func(at Landing) bool { return at.Dataset == s.ID() }) {
			l.Add(path, "nothing of it lands: no source of changes delivers the dataset", s.ID(), mend)
		}
	}
}

func checkLanding(l *check.List, landing []Landing, declared map[string]Spec) {
	first := map[string]int{}
	generations := map[string]map[int]int{}
	for i, at := range landing {
		path := check.Index("Landing", i)
		if p := at.Prefix; !strings.HasSuffix(p, "/") || strings.HasPrefix(p, "/") {
			l.Add(path+".Prefix", "is no folder of the raw bucket", p, "a prefix that ends in / and does not start with it")
		}
		if j, taken := first[at.Prefix]; taken {
			l.Add(path+".Prefix", "is taken by "+check.Index("Landing", j), at.Prefix, "one dataset for each prefix")
		} else {
			first[at.Prefix] = i
		}
		if s, ok := declared[at.Dataset]; !ok {
			l.Add(path+".Dataset", "is no declared dataset", at.Dataset, listing(slices.Sorted(maps.Keys(declared))))
		} else {
			checkGeneration(l, path+".Generation", at, s.Load, generations, i)
		}
		if at.Source == "" {
			l.Add(path+".Source", "is missing", nil, "the id of the source that lands here")
		}
	}
}

// checkGeneration judges one landing's generation against those before it, which `seen` holds by dataset.
func checkGeneration(l *check.List, path string, at Landing, load Load, seen map[string]map[int]int, i int) {
	g := at.Generation
	switch {
	case load != CDC && g != nil:
		l.Add(path, "has no meaning for load kind "+load.String()+", which is not reloaded", *g, "nil")
	case load != CDC:
	case g == nil:
		l.Add(path, "is missing; it orders what lands here among the reloads of the dataset", nil, generationAllowed)
	case *g < 1 || *g > MaxGeneration:
		l.Add(path, "is no generation", *g, generationAllowed)
	default:
		if seen[at.Dataset] == nil {
			seen[at.Dataset] = map[int]int{}
		}
		if j, taken := seen[at.Dataset][*g]; taken {
			l.Add(path, "is taken by "+check.Index("Landing", j), *g, "one prefix for each generation of a dataset")
			return
		}
		seen[at.Dataset][*g] = i
	}
}

const generationAllowed = "a whole number from 1 to 999999"

func clone(n *int) *int {
	if n == nil {
		return nil
	}
	copied := *n
	return &copied
}

func sorted(ids map[string]bool) []string { return slices.Sorted(maps.Keys(ids)) }
