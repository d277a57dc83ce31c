package dataset

import (
	"fmt"
	"slices"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Drift says what becomes of input whose columns are not the declared ones.
type Drift int

const (
	// Report reads what is declared. A column that no declaration has stays in raw and is listed in the batch's
	// undeclared; a declared column that an object does not have is NULL in its rows.
	Report Drift = iota
	// Strict refuses other columns than the declared ones. An object of Parquet, or of CSV with a header, that has a
	// column more or less is unreadable as a whole; a JSON record with an undeclared member is quarantined (undeclared).
	// A member that is missing is NULL, as JSON has it. CSV without a header is as strict with any policy: a record with
	// another number of fields is malformed.
	Strict
	// Evolve adds them to the table. A column that an object of CSV with a header or of Parquet has, or a JSON record, and no
	// declaration, becomes a column that may be NULL: of the type that Parquet tells, else a string. Of declared and added
	// columns int becomes bigint and decimals gain digits before the point as soon as a value needs it. At most 100 columns
	// are added. What cannot be added (another name than [a-z][a-z0-9_]{0,62}, a type that is not read, unlike types) is
	// refused as by Strict; a declared column that is missing is NULL. A batch takes one more pass over its rows.
	//
	// Nobody has classed such a column, so a dataset with a Personal column is refused. To give one a document, a rule or
	// another policy than Evolve, declare it with the type that it has in the table.
	Evolve
)

var driftNames = []string{"report", "strict", "evolve"}

func (d Drift) String() string { return nameOf(driftNames, int(d)) }

// MarshalText renders the policy as the manifest names it.
func (d Drift) MarshalText() ([]byte, error) { return textOf("drift", driftNames, int(d)) }

// UnmarshalText reads the manifest's name of a policy.
func (d *Drift) UnmarshalText(b []byte) error {
	return parseName("drift", driftNames, string(b), (*int)(d))
}

func (s Spec) checkDrift(l *check.List) {
	const policies = "Report, Strict, Evolve"
	switch s.Drift {
	case Report:
		return
	case Strict, Evolve:
	default:
		l.Add("Drift", "is no policy", fmt.Sprint(int(s.Drift)), policies)
		return
	}
	switch f := s.Format.(type) {
	case DMSJSON:
		l.Add("Drift", "is not built for this format", s.Drift, "Report")
	case DMS:
		if f.Transactions {
			l.Add("Drift", "has nothing to judge in transaction files, which name no columns and are always judged by their place", s.Drift, "Report")
		}
	case CSV:
		if f.NoHeader && s.Drift == Evolve {
			l.Add("Drift", "finds no names of columns in CSV without a header line", s.Drift, "Report, or a header line")
		}
	}
	if personal := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Class == Personal }); s.Drift == Evolve && personal >= 0 {
		l.Add("Drift", "would store columns that nobody has classed, beside personal data in "+check.Index("Columns", personal), s.Drift, "Report, Strict")
	}
}
