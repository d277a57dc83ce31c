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
	ids := map[string]bool{}
	for _, s := range specs {
		ids[s.ID()] = true
	}
	checkLanding(&l, landing, ids)
	l.Under("Models", checkReferences(models, ids))
	ordered, err := order(models)
	l.Under("Models", err)
	if err := l.Err(); err != nil {
		return nil, err
	}
	m := &Manifest{
		SchemaVersion: SchemaVersion, Lake: lake, OperationsDatabase: OperationsDatabase(lake),
		Datasets: make([]Entry, 0, len(specs)), Landing: append([]Landing{}, landing...), Models: ordered,
	}
	for _, s := range specs {
		m.Datasets = append(m.Datasets, s.entry(lake))
	}
	for i := range m.Models {
		m.Models[i].Database = CuratedDatabase(lake, m.Models[i].Domain)
		m.Models[i].Inputs = append([]string{}, m.Models[i].Inputs...)
	}
	slices.SortFunc(m.Datasets, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(m.Landing, func(a, b Landing) int { return strings.Compare(a.Prefix, b.Prefix) })
	return m, nil
}

func (s Spec) entry(lake string) Entry {
	e := Entry{
		ID: s.ID(), Domain: s.Domain, Name: s.Name, Owner: s.Owner, Doc: s.Doc,
		Load: s.Load, Keys: slices.Clone(s.Keys), UniqueKey: len(s.Rules) > 0,
		CleanedDatabase: CleanedDatabase(lake, s.Domain), QuarantineDatabase: QuarantineDatabase(lake, s.Domain),
	}
	e.Gate.MinRows = s.Gate.MinRows
	if share := s.Gate.MaxQuarantinedShare; share != nil {
		e.Gate.MaxQuarantinedShare = Share(*share)
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
		c.Required = c.Required || c.Name == s.Sequence || slices.Contains(s.Keys, c.Name)
		c.Rules = append(Rules{}, c.Rules...)
		e.Columns = append(e.Columns, c)
	}
	return e
}

func checkLanding(l *check.List, landing []Landing, ids map[string]bool) {
	first := map[string]int{}
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
		if !ids[at.Dataset] {
			l.Add(path+".Dataset", "is no declared dataset", at.Dataset, listing(sorted(ids)))
		}
		if at.Source == "" {
			l.Add(path+".Source", "is missing", nil, "the id of the source that lands here")
		}
	}
}

func sorted(ids map[string]bool) []string { return slices.Sorted(maps.Keys(ids)) }
