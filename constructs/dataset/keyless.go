package dataset

import "github.com/strata-cdk/strata/constructs/internal/check"

// checkKeyless judges a dataset without a key: its rows are told apart by where they landed, or by all they hold.
func (s Spec) checkKeyless(l *check.List) {
	const columns = "the columns that identify a row, one at least"
	switch s.Load {
	case Append:
	case Snapshot:
		if s.stored() == 0 && len(s.Columns) > 0 {
			l.Add("Keys", "is empty, and no column is stored by whose content rows could be told apart", nil, columns+"; or a column that is neither dropped nor NULL")
		}
	case Upsert:
		l.Add("Keys", "is empty, but an upsert replaces the row of a key", nil, columns+"; or Load: Append or Snapshot, which do without")
	case CDC:
		l.Add("Keys", "is empty, but without a key no update or delete can be told to belong to a row, and none that was loaded from the same row inserted meanwhile",
			nil, columns+", of the table's replica identity; or Load: Snapshot of the whole table, which does without")
	default: // checkLoad says what is wrong
	}
}

// stored is the number of columns of which the table holds a value.
func (s Spec) stored() int {
	n := 0
	for _, c := range s.Columns {
		if c.Protect != Drop && c.Protect != Null {
			n++
		}
	}
	return n
}
