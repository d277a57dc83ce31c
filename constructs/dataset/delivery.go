package dataset

import (
	"regexp"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Deliveries says which of two deliveries of a Snapshot dataset is the later one. A delivery is one object, complete as
// soon as it has landed; the time at which the lake reads it has no say.
type Deliveries struct {
	// Stamp is the time that orders deliveries, as their keys hold it below the dataset's landing prefix, in the layout
	// of package time: of 2006, 01, 02, 15, 04 and 05, from the year down without a gap, in any order and with any text
	// but digits between them, as in "2006-01-02", "20060102T1504" or "year=2006/month=01". Its first place in the key
	// counts. A delivery whose key does not hold it is unreadable. Of two deliveries with one time the one S3 stored
	// later is the later one.
	// Default: no stamp; the delivery that S3 stored later, to the second, is the later one.
	Stamp string
}

// defaultDeletedShare is what a snapshot may delete unless its declaration says otherwise.
const defaultDeletedShare = 0.5

// stampUnits are the parts of a stamp from the largest down: how a layout writes each, and how a key holds it.
var stampUnits = []struct{ layout, group string }{
	{"2006", "(?P<year>[0-9]{4})"},
	{"01", "(?P<month>0[1-9]|1[0-2])"},
	{"02", "(?P<day>0[1-9]|[12][0-9]|3[01])"},
	{"15", "(?P<hour>[01][0-9]|2[0-3])"},
	{"04", "(?P<minute>[0-5][0-9])"},
	{"05", "(?P<second>[0-5][0-9])"},
}

const stampAllowed = "a layout of package time with 2006, 01, 02, 15, 04 and 05 from the year down, each once, and no other digits, " +
	`as in time.DateOnly, "20060102T1504" or "year=2006/month=01"`

// Delivery is Deliveries as the manifest states it.
type Delivery struct {
	// Stamp is a regular expression, searched in the key below the landing prefix; the text of its groups year to
	// second, joined in that order, orders deliveries. Nil for none.
	Stamp *string `json:"stamp"`
}

// StampOf is the time by which a delivery is ordered, as digits from the year down: empty where none is declared. It is
// false for a key that does not hold it. The key is the part below the landing prefix.
func (d *Delivery) StampOf(key string) (string, bool) {
	if d == nil || d.Stamp == nil {
		return "", true
	}
	expression, err := regexp.Compile(*d.Stamp)
	if err != nil {
		return "", false
	}
	found := expression.FindStringSubmatch(key)
	if found == nil {
		return "", false
	}
	var stamp strings.Builder
	for _, name := range []string{"year", "month", "day", "hour", "minute", "second"} {
		if i := expression.SubexpIndex(name); i >= 0 {
			stamp.WriteString(found[i])
		}
	}
	return stamp.String(), true
}

func (d Deliveries) render() *Delivery {
	if d.Stamp == "" {
		return &Delivery{}
	}
	expression, _ := stampExpression(d.Stamp)
	return &Delivery{Stamp: &expression}
}

// stampExpression is the regular expression of a layout, in the syntax RE2 and Python share; false for what is none.
func stampExpression(layout string) (expression string, ok bool) {
	var out strings.Builder
	out.WriteString("(?:^|[^0-9])")
	used := make([]bool, len(stampUnits))
	for rest := layout; rest != ""; {
		i := slices.IndexFunc(stampUnits, func(u struct{ layout, group string }) bool { return strings.HasPrefix(rest, u.layout) })
		switch {
		case i >= 0 && !used[i]:
			used[i] = true
			out.WriteString(stampUnits[i].group)
			rest = rest[len(stampUnits[i].layout):]
		case i >= 0 || rest[0] >= '0' && rest[0] <= '9' || rest[0] < ' ' || rest[0] > '~':
			return "", false
		default:
			out.WriteString(regexp.QuoteMeta(rest[:1]))
			rest = rest[1:]
		}
	}
	out.WriteString("(?:[^0-9]|$)")
	last := slices.Index(used, false)
	return out.String(), used[0] && (last < 0 || !slices.Contains(used[last:], true))
}

func (s Spec) checkDeliveries(l *check.List) {
	if s.Load != Snapshot {
		if s.Deliveries != (Deliveries{}) {
			l.Add("Deliveries", "has no meaning for load kind "+s.Load.String()+", whose objects are no whole tables", s.Deliveries.Stamp, "nothing, or Load: Snapshot")
		}
		if s.Gate.MaxDeletedShare != nil {
			l.Add("Gate.MaxDeletedShare", "has no meaning for load kind "+s.Load.String()+", of which a missing row says nothing", *s.Gate.MaxDeletedShare,
				"nothing, or Load: Snapshot")
		}
		return
	}
	if s.Deliveries.Stamp == "" {
		return
	}
	if check.Unresolved(s.Deliveries.Stamp) {
		l.Add("Deliveries.Stamp", "is known only at deployment, but the manifest is written at synth", s.Deliveries.Stamp, "a literal value")
	} else if _, ok := stampExpression(s.Deliveries.Stamp); !ok {
		l.Add("Deliveries.Stamp", "is no layout of a time", s.Deliveries.Stamp, stampAllowed)
	}
}
