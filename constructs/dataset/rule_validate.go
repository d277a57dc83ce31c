package dataset

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// String writes the rule as an app declares it.
func (r Rule) String() string {
	text := r.declared()
	if r.share != nil && r.kind != kindCompleteness && r.kind != kindUniqueness {
		text += fmt.Sprintf(".Mostly(%v)", *r.share)
	}
	if r.policy != "" && r.policy != (Rule{kind: r.kind}).Policy() {
		text += "." + strings.ToUpper(string(r.policy[:1])) + string(r.policy[1:]) + "()"
	}
	return text
}

func (r Rule) declared() string {
	switch {
	case r.kind == kindRange && r.min != nil && r.max != nil:
		return fmt.Sprintf("Between(%s, %s)", *r.min, *r.max)
	case r.kind == kindRange && r.min != nil:
		return fmt.Sprintf("AtLeast(%s)", *r.min)
	case r.kind == kindRange && r.max != nil:
		return fmt.Sprintf("AtMost(%s)", *r.max)
	case r.kind == kindSet:
		return fmt.Sprintf("OneOf(%s)", strings.Join(r.values, ", "))
	case r.kind == kindPattern:
		return fmt.Sprintf("Pattern(%q)", r.regex)
	case r.kind == kindUniqueKey:
		return "UniqueKey()"
	case r.kind == kindCompleteness:
		return fmt.Sprintf("Completeness(%v)", *r.share)
	case r.kind == kindUniqueness:
		return fmt.Sprintf("Uniqueness(%v)", *r.share)
	case r.kind == kindReference:
		return fmt.Sprintf("References(%q, %q)", r.name, r.column)
	case r.kind == kindQuery:
		return fmt.Sprintf("CustomSQL(%q, %q)", r.name, r.expression)
	case r.kind == kindFreshness:
		return fmt.Sprintf("FreshWithin(%v)", r.within)
	case r.kind == kindRowCount:
		return fmt.Sprintf("RowCountWithin(%v, %d)", r.factor, r.batches)
	case r.kind == kindSQL:
		return fmt.Sprintf("Satisfies(%q, %q)", r.name, r.expression)
	}
	return "Rule{}"
}

func (c Column) checkRules(l *check.List) {
	var low, high *big.Rat
	for i, r := range c.Rules {
		path := check.Index("Rules", i)
		switch r.kind {
		case kindRange:
			min, max := c.checkRange(l, path, r)
			if r.Policy() != Quarantine {
				// Two policies may draw two lines.
				if min != nil && max != nil && min.Cmp(max) > 0 {
					l.Add(path, "no value satisfies it", r, "a lowest value that is not above the highest")
				}
				break
			}
			low, high = tighter(low, min, 1), tighter(high, max, -1)
			if low != nil && high != nil && low.Cmp(high) > 0 {
				l.Add(path, "no value satisfies it", r, "a lowest value that is not above the highest")
				low, high = nil, nil
			}
		case kindSet:
			c.checkSet(l, path, r)
		case kindPattern:
			if c.Type != String {
				l.Add(path, "a pattern judges text, but the column is of type "+string(c.Type), r, "a column of type string")
			}
			if problem, allowed := patternProblem(r.regex); problem != "" {
				l.Add(path, problem, r.regex, allowed)
			}
		case kindCompleteness:
		case kindFreshness:
			c.checkFreshness(l, path, r)
		case kindReference, kindUniqueness:
			c.checkStored(l, path, r)
		case kindUniqueKey, kindRowCount, kindSQL, kindQuery:
			l.Add(path, "judges a whole dataset, not a column", r, "put it in the dataset's Rules")
			continue
		default:
			l.Add(path, "is no rule", r, "AtLeast, AtMost, Between, OneOf, Pattern, References, Completeness, FreshWithin, Uniqueness")
			continue
		}
		r.checkOutcome(l, path)
	}
}

func (c Column) checkRange(l *check.List, path string, r Rule) (min, max *big.Rat) {
	if c.Type == String || c.Type == Boolean {
		l.Add(path, "a range judges numbers, dates and timestamps, but the column is of type "+string(c.Type), r,
			"OneOf or Pattern, or a column of type int, bigint, double, decimal, date or timestamp")
		return nil, nil
	}
	if r.min != nil {
		min = c.parseValue(l, path, *r.min)
	}
	if r.max != nil {
		max = c.parseValue(l, path, *r.max)
	}
	return min, max
}

func (c Column) checkSet(l *check.List, path string, r Rule) {
	if c.Type == Boolean || c.Type == Double || c.Type == Timestamp {
		l.Add(path, "a set cannot judge a column of type "+string(c.Type), r, "a column of type string, int, bigint, decimal or date")
		return
	}
	if len(r.values) == 0 {
		l.Add(path, "has no values, so every row would fail", nil, "one value at least")
	}
	for i, v := range r.values {
		if c.parseValue(l, path, v) != nil && slices.Contains(r.values[:i], v) {
			l.Add(path, "lists a value twice", v, "each value once")
		}
	}
}

func (c Column) parseValue(l *check.List, path, text string) *big.Rat {
	if check.Unresolved(text) {
		l.Add(path, "is known only at deployment, but the manifest is written at synth", text, "a literal value")
		return nil
	}
	value, err := c.Type.parse(text)
	if err != nil {
		l.Add(path, "its value does not suit the type "+string(c.Type), text, err.Error())
		return nil
	}
	return value
}

// tighter is the stricter of two bounds: the larger for sign 1, the smaller for sign -1; nil is no bound.
func tighter(a, b *big.Rat, sign int) *big.Rat {
	if a == nil || b != nil && b.Cmp(a) == sign {
		return b
	}
	return a
}
