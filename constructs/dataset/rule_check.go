package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

const (
	maxFactor     = 1000
	maxHistory    = 100
	maxExpression = 4096
)

// checkOutcome judges policy and share, which any rule may carry and not every rule may have.
func (r Rule) checkOutcome(l *check.List, path string) {
	if r.kind == kindUniqueKey {
		if r.policy != "" && r.policy != Quarantine || r.share != nil {
			l.Add(path, "has another outcome than to quarantine records, which is all this rule can do", r, "UniqueKey()")
		}
		return
	}
	p := r.Policy()
	if p == Quarantine && !r.perRow() {
		l.Add(path, "judges a batch, of which no single row is to blame", r, "Block() or Warn()")
	}
	switch {
	case r.share == nil:
	case math.IsNaN(*r.share) || *r.share <= 0 || *r.share > 1:
		l.Add(path, "has no share", *r.share, "a number above 0, at most 1, such as 0.98")
	case r.kind == kindCompleteness, r.kind == kindUniqueness:
	case !r.perRow():
		l.Add(path, "does not judge rows, so that a share of them means nothing", r, "the rule without Mostly")
	case p == Quarantine:
		l.Add(path, "quarantines each row that breaks it, whatever the share", r,
			"Block() or Warn() beside Mostly; or no Mostly, and Gate.MaxQuarantinedShare")
	case *r.share == 1:
		l.Add(path, "has a share of 1, which is what it does without", r, "the rule without Mostly, or a share below 1")
	}
}

// checkFreshness judges a rule on the newest value of the column.
func (c Column) checkFreshness(l *check.List, path string, r Rule) {
	if c.Type != Date && c.Type != Timestamp {
		l.Add(path, "freshness is told by a date or timestamp, but the column is of type "+string(c.Type), r, "a column of type date or timestamp")
	}
	if c.Protect != None {
		l.Add(path, "freshness cannot be told of a protected column", r, "a column with Protect: None")
	}
	if d := r.within; d < time.Minute || d%time.Second != 0 {
		l.Add(path, "is no age to judge freshness by", d, "whole seconds from one minute on")
	}
}

func (s Spec) checkRules(l *check.List) {
	names := map[string]int{}
	for i, r := range s.Rules {
		path := check.Index("Rules", i)
		switch r.kind {
		case kindUniqueKey:
			switch {
			case s.Load == CDC:
				l.Add(path, "cannot judge a change stream, which has many changes of one key", r, "no rule; the source keeps its keys unique")
			case len(s.Keys) == 0:
				l.Add(path, "has no key to judge by", r, "no rule; or Keys")
			case s.Load == Snapshot:
				l.Add(path, "is said already: a snapshot always sets rows of one key and different content aside", r, "no rule")
			}
		case kindRowCount:
			r.checkRowCount(l, path)
		case kindSQL, kindQuery:
			if r.kind == kindSQL {
				r.checkCondition(l, path)
			} else {
				r.checkQuery(l, path)
			}
			if j, taken := names[r.name]; taken && r.name != "" {
				l.Add(path, "has the name of "+check.Index("Rules", j), r.name, "a name no other rule of the dataset has")
			} else {
				names[r.name] = i
			}
		default:
			l.Add(path, "is no rule for a whole dataset", r, "UniqueKey(), RowCountWithin(…), Satisfies(…), CustomSQL(…); put the others in a column's Rules")
			continue
		}
		r.checkOutcome(l, path)
	}
}

func (r Rule) checkRowCount(l *check.List, path string) {
	if math.IsNaN(r.factor) || r.factor <= 1 || r.factor > maxFactor {
		l.Add(path, "has a factor that tells nothing", r.factor, fmt.Sprintf("a number above 1, at most %d, such as 2", maxFactor))
	}
	if r.batches < 1 || r.batches > maxHistory {
		l.Add(path, "compares with a number of batches that is out of range", r.batches, fmt.Sprintf("1 to %d", maxHistory))
	}
}

// checkCondition judges what can be told of a condition without its columns: the job does the rest, and fails the batch.
func (r Rule) checkCondition(l *check.List, path string) {
	checkName(l, path+".Name", r.name, namePattern, nameAllowed)
	const allowed = `a condition over the columns of one row, such as "net + vat = total"`
	at := path + ".Condition"
	switch {
	case check.Unresolved(r.expression):
		l.Add(at, "is known only at deployment", r.expression, "a literal text")
		return
	case len(r.expression) > maxExpression:
		l.Add(at, "is too long", len(r.expression), atMost(maxExpression)+" bytes")
	}
	text := scanSQL(r.expression, spark)
	for _, p := range text.problems {
		l.Add(at, p, r.expression, allowed)
	}
	for _, p := range text.conditionProblems() {
		l.Add(at, p, r.expression, allowed)
	}
}

// notInCondition are words that make more of an expression than a condition on one row.
var notInCondition = strings.Fields("select from over count sum avg mean collect_list collect_set explode posexplode")

func (s *scanned) conditionProblems() (problems []string) {
	if len(s.tokens) == 0 {
		return []string{"is missing"}
	}
	depth := 0
	for i, t := range s.tokens {
		switch {
		case s.is(i, "("):
			depth++
		case s.is(i, ")"):
			if depth--; depth < 0 {
				return append(problems, "closes a parenthesis that is not open")
			}
		case s.is(i, ";"):
			problems = append(problems, "holds a semicolon")
		case t.kind == tokenRef:
			problems = append(problems, "refers to "+t.text+", but a condition has the columns of its own row alone")
		case t.kind == tokenWord && slices.Contains(notInCondition, t.text) && (s.is(i+1, "(") || t.text == "select" || t.text == "from"):
			// extract(year FROM day), trim(BOTH ' ' FROM name) and IS DISTINCT FROM stay within the row.
			if t.text == "from" && (depth > 0 || s.is(i-1, "distinct")) {
				continue
			}
			problems = append(problems, "holds "+t.text+", which looks beyond one row")
		}
		if name := s.volatile(i); name != "" {
			problems = append(problems, "holds "+name+", which gives another result on another day or run")
		}
	}
	if depth > 0 {
		problems = append(problems, "leaves a parenthesis open")
	}
	return problems
}
