package dataset

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,62}$`)

// ValidateRouteBy judges the name of the field in which JSON records name their dataset. The problem has no path.
func ValidateRouteBy(name string) error {
	var l check.List
	if check.Unresolved(name) {
		l.Add("", "is known only at deployment", name, "a literal text")
	} else if !fieldName.MatchString(name) {
		l.Add("", "is no field name", name, "a field name [A-Za-z_][A-Za-z0-9_.-]{0,62}")
	}
	return l.Err()
}

// nullValueLimit bounds a marker; what is longer is surely not one.
const nullValueLimit = 64

// The change columns of DMS, beside one BI_<key> for each key column.
const (
	operationColumn   = "Op"
	sequenceColumn    = "AR_H_CHANGE_SEQ"
	beforeImagePrefix = "BI_"
	byTheSource       = "no format, for the source that delivers the dataset to supply it; or dataset.DMSCSV{…} or dataset.DMSJSON{…}"
	plainFormats      = "dataset.CSV{…}, dataset.Parquet{} or dataset.JSON{}, as a value"
)

// changeColumn tells whether the name is one of DMS's own in some case, which would make the two one column.
func (s Spec) changeColumn(name string) bool {
	return strings.EqualFold(name, operationColumn) || strings.EqualFold(name, sequenceColumn) ||
		slices.ContainsFunc(s.Keys, func(key string) bool { return strings.EqualFold(name, beforeImagePrefix+key) })
}

func (s Spec) checkFormat(l *check.List) {
	switch f := s.Format.(type) {
	case nil:
	case DMS, DMSCSV, DMSJSON:
		if s.Load != CDC {
			l.Add("Format", "holds changes of a database, which this load kind does not apply", fmt.Sprintf("%T", f), plainFormats)
		}
		if csv, ok := f.(DMSCSV); ok {
			CSV{Delimiter: csv.Delimiter, NullValue: csv.NullValue}.check(l)
		}
		if messages, ok := f.(DMSJSON); ok {
			messages.check(l)
		}
	case CSV, Parquet, JSON:
		if s.Load == CDC {
			l.Add("Format", "holds no changes of a database", fmt.Sprintf("%T", f), byTheSource)
		}
		if csv, ok := f.(CSV); ok {
			csv.check(l)
		}
		if j, ok := f.(JSON); ok && j.RouteBy != "" {
			l.Under("Format.RouteBy", ValidateRouteBy(j.RouteBy))
		}
	default:
		l.Add("Format", "is no format", fmt.Sprintf("%T", f), plainFormats)
	}
}

func (c CSV) check(l *check.List) {
	d := *c.render().Delimiter
	if len(d) != 1 || d != "\t" && (d[0] <= ' ' || d[0] > '~' || strings.ContainsAny(d, `"\`) || alphanumeric(d[0])) {
		l.Add("Format.Delimiter", "cannot separate fields", c.Delimiter, `a tab, or one printable ASCII character that is no letter, digit, blank, " or \`)
	}
	checkText(l, "Format.NullValue", c.NullValue, nullValueLimit, true)
	if strings.ContainsAny(c.NullValue, d+"\"\r\n") {
		l.Add("Format.NullValue", "cannot stand in a field without quotes", c.NullValue, "text without the delimiter, quotes and line breaks")
	}
}

func alphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}
