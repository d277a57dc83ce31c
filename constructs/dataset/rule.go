package dataset

import (
	"fmt"
	"strconv"
	"time"
)

// Rules is a list of rules.
type Rules []Rule

// Rule is one quality rule. AtLeast, AtMost, Between, OneOf, Pattern, References, Completeness, FreshWithin and Uniqueness
// judge a column; UniqueKey, RowCountWithin, Satisfies and CustomSQL judge a dataset. Quarantine, Block and Warn say what becomes of a batch in
// which it fails.
type Rule struct {
	kind             string
	min, max         *string
	values           []string
	regex            string
	within           time.Duration
	factor           float64
	batches          int
	name, expression string
	column           string
	share            *float64
	policy           Policy
}

const (
	kindRange     = "range"
	kindSet       = "set"
	kindPattern   = "pattern"
	kindUniqueKey = "unique_key"
)

// Bound is a value a rule compares with: a number, or the text of a number, date (2006-01-02) or timestamp
// (2006-01-02T15:04:05, optionally with a fraction of at most six digits; UTC).
type Bound interface {
	~int | ~int32 | ~int64 | ~float64 | ~string
}

// AtLeast accepts values that are not below min. For numbers, dates and timestamps.
func AtLeast[T Bound](min T) Rule { return Rule{kind: kindRange, min: text(min)} }

// AtMost accepts values that are not above max. For numbers, dates and timestamps.
func AtMost[T Bound](max T) Rule { return Rule{kind: kindRange, max: text(max)} }

// Between accepts values from min to max, both included. For numbers, dates and timestamps.
func Between[T Bound](min, max T) Rule { return Rule{kind: kindRange, min: text(min), max: text(max)} }

// OneOf accepts the listed values only. For strings, whole numbers, decimals and dates.
func OneOf[T Bound](values ...T) Rule {
	r := Rule{kind: kindSet, values: make([]string, 0, len(values))}
	for _, v := range values {
		r.values = append(r.values, *text(v))
	}
	return r
}

// Pattern accepts text in which the regular expression is found; anchor it with ^ and $ to judge the whole value. Only
// the syntax that RE2 and Java read alike is accepted, and Validate names what is not. For strings.
func Pattern(regex string) Rule { return Rule{kind: kindPattern, regex: regex} }

// UniqueKey makes two records with one key and different content a fault: all but one are quarantined. Without it an
// append counts such a record as stale, and an upsert lets the last in a fixed order win.
func UniqueKey() Rule { return Rule{kind: kindUniqueKey} }

func text(v any) *string {
	s := fmt.Sprint(v)
	if f, ok := v.(float64); ok {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	return &s
}
