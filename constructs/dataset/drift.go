package dataset

import (
	"fmt"

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
	// Evolve adds undeclared columns to the table. Not built yet: Validate refuses it.
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
	const built = "Report, Strict"
	switch s.Drift {
	case Report:
	case Strict:
		switch f := s.Format.(type) {
		case DMSJSON:
			l.Add("Drift", "is not built for this format", s.Drift, "Report")
		case DMS:
			if f.Transactions {
				l.Add("Drift", "has nothing to judge in transaction files, which name no columns and are always judged by their place", s.Drift, "Report")
			}
		}
	case Evolve:
		l.Add("Drift", "is not built yet", s.Drift, built)
	default:
		l.Add("Drift", "is no policy", fmt.Sprint(int(s.Drift)), built)
	}
}
