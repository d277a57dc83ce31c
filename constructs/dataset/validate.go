package dataset

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

const (
	// The Glue Data Catalog's limits, in bytes.
	tableDescriptionLimit = 2048
	columnCommentLimit    = 255
	tableOwnerLimit       = 255

	minFreshness = time.Minute
)

// ValidateAll judges several declarations, with paths [0].Name and so on, and that their ids differ.
func ValidateAll(specs []Spec) error {
	var l check.List
	ids := map[string]string{}
	for i, s := range specs {
		l.Under(check.Index("", i), s.Validate())
		ids[check.Index("", i)] = s.ID()
	}
	l.Under("", Unique(ids))
	checkViews(&l, specs)
	checkRuleReferences(&l, specs)
	return l.Err()
}

// checkViews judges that no table takes the name of a CDC dataset's view, which stands in the same database.
func checkViews(l *check.List, specs []Spec) {
	for i, s := range specs {
		for j, other := range specs {
			if s.Load == CDC && s.Name != "" && other.Domain == s.Domain && other.Name == CurrentView(s.Name) {
				l.Add(check.Index("", j)+".Name", "is taken by the view of "+check.Index("", i), other.Name, "a name that is not "+CurrentView(s.Name))
			}
		}
	}
}

// Validate finds every problem of the declaration at once. It returns nil or one error that lists each problem with its
// field path, the value got and what is allowed.
func (s Spec) Validate() error {
	var l check.List
	checkName(&l, "Domain", s.Domain, namePattern, nameAllowed)
	checkName(&l, "Name", s.Name, namePattern, nameAllowed)
	checkText(&l, "Owner", s.Owner, tableOwnerLimit, false)
	checkText(&l, "Doc", s.Doc, tableDescriptionLimit, true)
	s.checkLoad(&l)
	s.checkKeys(&l)
	s.checkSequence(&l)
	s.checkWindow(&l)
	s.checkColumns(&l)
	s.checkRules(&l)
	s.checkFormat(&l)
	s.checkDrift(&l)
	s.checkDeliveries(&l)
	s.checkTableFormat(&l)
	s.checkSubject(&l)
	s.Gate.check(&l)
	s.Maintenance.check(&l)
	if f := s.Freshness; f != 0 && (f < minFreshness || f%time.Second != 0) {
		l.Add("Freshness", "is not a duration the lake can watch", f, "zero (no promise), or whole seconds from one minute on")
	}
	return l.Err()
}

const builtLoads = "Append, Upsert, Snapshot, CDC"

func (s Spec) checkLoad(l *check.List) {
	switch s.Load {
	case Append, Upsert, Snapshot, CDC:
	case Files:
		l.Add("Load", "is not built yet", s.Load, builtLoads)
	default:
		l.Add("Load", "is no load kind", s.Load, builtLoads)
	}
}

func (s Spec) checkTableFormat(l *check.List) {
	switch s.TableFormat {
	case Iceberg, Delta, Hudi:
	default:
		l.Add("TableFormat", "is no table format", s.TableFormat, "Iceberg, Delta, Hudi")
	}
}

const keyProtections = "Protect: Hash or Tokenise, which keep equal values equal and different ones different, or another key"

func (s Spec) checkKeys(l *check.List) {
	if len(s.Keys) == 0 {
		s.checkKeyless(l)
	}
	for i, key := range s.Keys {
		path := check.Index("Keys", i)
		if slices.Contains(s.Keys[:i], key) {
			l.Add(path, "is listed twice", key, "each column once")
			continue
		}
		c, ok := s.column(key)
		switch {
		case !ok:
			l.Add(path, "is no declared column", key, s.columnNames())
		case c.Protect == Drop:
			l.Add(path, "a key column cannot be dropped", key, keyProtections)
		case !c.Protect.distinct():
			l.Add(path, "a key column cannot be protected by "+c.Protect.String()+", under which different keys become one", key, keyProtections)
		case c.Type == Double:
			l.Add(path, "a key column cannot be of type double, whose equality is not exact", key, "a column of another type")
		}
	}
}

func (s Spec) checkSequence(l *check.List) {
	const types = "an unprotected column of type bigint, int or timestamp that is no key"
	if s.Sequence == "" {
		if s.Load == Upsert {
			l.Add("Sequence", "is missing; an upsert needs the column that orders the changes of a key", nil, types)
		}
		return
	}
	if s.Load == CDC {
		l.Add("Sequence", "is not for a change stream, whose source supplies it", s.Sequence, "no sequence")
		return
	}
	if s.Load == Append {
		l.Add("Sequence", "has no meaning for an append, which never changes a stored row", s.Sequence, "no sequence, or Load: Upsert")
	}
	if s.Load == Snapshot {
		l.Add("Sequence", "has no meaning for a snapshot, which has each key once; Deliveries orders snapshots", s.Sequence, "no sequence, or Load: Upsert")
	}
	c, ok := s.column(s.Sequence)
	if !ok {
		l.Add("Sequence", "is no declared column", s.Sequence, s.columnNames())
		return
	}
	if c.Type != Bigint && c.Type != Int && c.Type != Timestamp {
		l.Add("Sequence", "cannot order changes: its column is of type "+string(c.Type), s.Sequence, types)
	}
	if c.Protect != None {
		l.Add("Sequence", "cannot order changes once its column is protected by "+c.Protect.String(), s.Sequence, types)
	}
	if slices.Contains(s.Keys, s.Sequence) {
		l.Add("Sequence", "is a key column, so every change would have a key of its own", s.Sequence, types)
	}
}

func (s Spec) checkColumns(l *check.List) {
	if len(s.Columns) == 0 {
		l.Add("Columns", "is empty", nil, "one column at least")
	}
	first := map[string]int{}
	for i, c := range s.Columns {
		path := check.Index("Columns", i)
		l.Under(path, c.validate())
		if s.Load == CDC && s.changeColumn(c.Name) {
			l.Add(path+".Name", "is the name of a change column beside the table's own; case does not tell columns apart", c.Name,
				"a name other than op, ar_h_change_seq and bi_<key>; rename the column in the source")
		}
		name := strings.ToLower(c.Name)
		if j, taken := first[name]; taken && name != "" {
			l.Add(path+".Name", "is taken by "+check.Index("Columns", j)+"; case does not tell columns apart", c.Name, "a name no other column has")
			continue
		}
		first[name] = i
	}
}

func (c Column) validate() error {
	var l check.List
	checkName(&l, "Name", c.Name, namePattern, nameAllowed)
	checkText(&l, "Doc", c.Doc, columnCommentLimit, false)
	checkKind(&l, "Class", "is no class", classNames, int(c.Class), "Internal, Public, Personal")
	if c.Class == Personal && c.Protect == None {
		l.Add("Protect", "is missing; a personal column is not stored as it is", c.Protect, protections)
	}
	if problem, allowed := c.Type.problem(); problem != "" {
		l.Add("Type", problem, string(c.Type), allowed)
		return l.Err() // Neither protection nor rules can be judged against an unknown type.
	}
	c.checkProtection(&l)
	c.checkRules(&l)
	return l.Err()
}

func (g Gate) check(l *check.List) {
	checkShare(l, "Gate.MaxQuarantinedShare", g.MaxQuarantinedShare)
	checkShare(l, "Gate.MaxDeletedShare", g.MaxDeletedShare)
	if g.MinRows < 0 {
		l.Add("Gate.MinRows", "is negative", g.MinRows, "zero (no minimum) or more")
	}
}

func checkShare(l *check.List, path string, s *float64) {
	if s != nil && (math.IsNaN(*s) || *s < 0 || *s > 1) {
		l.Add(path, "is not a share", *s, "a number from 0 to 1, as Share(0.05)")
	}
}

func checkKind(l *check.List, path, problem string, names []string, value int, allowed string) {
	if value < 0 || value >= len(names) {
		l.Add(path, problem, value, allowed)
	}
}

func (s Spec) column(name string) (Column, bool) {
	i := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return s.Columns[i], true
}

func (s Spec) columnNames() string {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	return listing(names)
}

// listing names the allowed values, cut to a length that still reads.
func listing(names []string) string {
	const shown = 20
	if len(names) == 0 {
		return "none is declared"
	}
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + " and " + strconv.Itoa(len(names)-shown) + " more"
	}
	return strings.Join(names, ", ")
}

func atMost(n int) string { return "at most " + strconv.Itoa(n) }
