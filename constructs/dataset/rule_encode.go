package dataset

import (
	"encoding/json"
	"fmt"
	"time"
)

// outcomeJSON is what every rule that judges rows states beside what it judges: threshold is the smallest accepted share
// of rows that satisfy it, null for all of them.
type outcomeJSON struct {
	Policy    Policy   `json:"policy"`
	Threshold *float64 `json:"threshold"`
}

type rangeJSON struct {
	Kind string  `json:"kind"`
	Min  *string `json:"min"`
	Max  *string `json:"max"`
	outcomeJSON
}

type setJSON struct {
	Kind   string   `json:"kind"`
	Values []string `json:"values"`
	outcomeJSON
}

type patternJSON struct {
	Kind  string `json:"kind"`
	Regex string `json:"regex"`
	outcomeJSON
}

type completenessJSON struct {
	Kind string `json:"kind"`
	outcomeJSON
}

type freshnessJSON struct {
	Kind    string `json:"kind"`
	Seconds int64  `json:"seconds"`
	Policy  Policy `json:"policy"`
}

type rowCountJSON struct {
	Kind    string  `json:"kind"`
	Factor  float64 `json:"factor"`
	Batches int     `json:"batches"`
	Policy  Policy  `json:"policy"`
}

type sqlJSON struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Condition string `json:"condition"`
	outcomeJSON
}

type referenceJSON struct {
	Kind    string `json:"kind"`
	Dataset string `json:"dataset"`
	Column  string `json:"column"`
	outcomeJSON
}

type queryJSON struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Query  string `json:"query"`
	Policy Policy `json:"policy"`
}

// MarshalJSON renders a rule as the manifest states it.
func (r Rule) MarshalJSON() ([]byte, error) {
	outcome := outcomeJSON{r.Policy(), r.share}
	switch r.kind {
	case kindRange:
		return compact(rangeJSON{r.kind, r.min, r.max, outcome})
	case kindSet:
		return compact(setJSON{r.kind, append([]string{}, r.values...), outcome})
	case kindPattern:
		return compact(patternJSON{r.kind, r.regex, outcome})
	case kindCompleteness, kindUniqueness:
		return compact(completenessJSON{r.kind, outcome})
	case kindReference:
		return compact(referenceJSON{r.kind, r.name, r.column, outcome})
	case kindQuery:
		return compact(queryJSON{r.kind, r.name, r.expression, r.Policy()})
	case kindFreshness:
		return compact(freshnessJSON{r.kind, int64(r.within / time.Second), r.Policy()})
	case kindRowCount:
		return compact(rowCountJSON{r.kind, r.factor, r.batches, r.Policy()})
	case kindSQL:
		return compact(sqlJSON{r.kind, r.name, r.expression, outcome})
	}
	return nil, fmt.Errorf("rule %s is none that the manifest states", r)
}

// UnmarshalJSON reads a rule from the manifest.
func (r *Rule) UnmarshalJSON(b []byte) error {
	var kind struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(b, &kind); err != nil {
		return err
	}
	*r = Rule{kind: kind.Kind}
	outcome, err := r.read(b)
	r.policy, r.share = outcome.Policy, outcome.Threshold
	return err
}

// read takes what the rule's kind has, and returns its outcome.
func (r *Rule) read(b []byte) (outcomeJSON, error) {
	switch r.kind {
	case kindRange:
		var j rangeJSON
		err := strict(b, &j)
		r.min, r.max = j.Min, j.Max
		return j.outcomeJSON, err
	case kindSet:
		var j setJSON
		err := strict(b, &j)
		r.values = j.Values
		return j.outcomeJSON, err
	case kindPattern:
		var j patternJSON
		err := strict(b, &j)
		r.regex = j.Regex
		return j.outcomeJSON, err
	case kindCompleteness, kindUniqueness:
		var j completenessJSON
		err := strict(b, &j)
		return j.outcomeJSON, err
	case kindReference:
		var j referenceJSON
		err := strict(b, &j)
		r.name, r.column = j.Dataset, j.Column
		return j.outcomeJSON, err
	case kindQuery:
		var j queryJSON
		err := strict(b, &j)
		r.name, r.expression = j.Name, j.Query
		return outcomeJSON{Policy: j.Policy}, err
	case kindFreshness:
		var j freshnessJSON
		err := strict(b, &j)
		r.within = time.Duration(j.Seconds) * time.Second
		return outcomeJSON{Policy: j.Policy}, err
	case kindRowCount:
		var j rowCountJSON
		err := strict(b, &j)
		r.factor, r.batches = j.Factor, j.Batches
		return outcomeJSON{Policy: j.Policy}, err
	case kindSQL:
		var j sqlJSON
		err := strict(b, &j)
		r.name, r.expression = j.Name, j.Condition
		return j.outcomeJSON, err
	}
	return outcomeJSON{}, fmt.Errorf("rule: got kind %q; allowed: range, set, pattern, reference, completeness, freshness, uniqueness, row_count, sql, query", r.kind)
}
