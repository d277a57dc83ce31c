package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// Load says how a landed record changes its table.
type Load int

const (
	// Append adds rows with new keys and never changes a stored row.
	Append Load = iota
	// Upsert inserts or replaces the row of the record's key; the highest Sequence wins, whatever the order of arrival.
	Upsert
	// Snapshot takes each delivery, one object, for the whole table: rows it has are inserted or updated, and rows it does
	// not have are deleted. Deliveries says which of two is later; an earlier one that comes late changes nothing. A
	// delivery with a record whose key cannot be read deletes nothing, and Gate.MaxDeletedShare blocks one that would
	// delete too much.
	Snapshot
	// CDC applies the change stream of a database: inserts, updates, deletes and key changes, in the order the source
	// made them, whatever the order of arrival. The source that delivers the dataset supplies Format and sequence.
	CDC
	// Files catalogues whole files without reading rows. Not built yet: Validate refuses it.
	Files
)

var loadNames = []string{"append", "upsert", "snapshot", "cdc", "files"}

func (l Load) String() string { return nameOf(loadNames, int(l)) }

// MarshalText renders the load kind as the manifest names it.
func (l Load) MarshalText() ([]byte, error) { return textOf("load", loadNames, int(l)) }

// UnmarshalText reads the manifest's name of a load kind.
func (l *Load) UnmarshalText(b []byte) error {
	return parseName("load", loadNames, string(b), (*int)(l))
}

// TableFormat is how a cleaned table lies in its bucket. All formats keep the same promises; they differ in who can read
// them, and in what a batch and a read cost.
type TableFormat int

const (
	// Iceberg keeps the rows a batch changes in files of their own until a compaction (merge-on-read), so that a batch
	// costs little. Athena, Redshift, EMR, Glue and most other engines read it.
	Iceberg TableFormat = iota
	// Delta writes every file anew in which a batch changes a row (copy-on-write), so that reads cost least. It is for
	// lakes that share tables with Databricks or other readers of Delta Lake. Athena shows its timestamps to the
	// millisecond.
	Delta
	// Hudi writes every file anew in which a batch changes a row, as Delta does: a copy-on-write table of version 6. It is
	// for lakes that share tables with readers of Apache Hudi. Athena shows its timestamps to the millisecond. Writers
	// other than this lake's must not change it, since Hudi's own keep apart by a lock that this lake's do not take.
	Hudi
)

var tableFormatNames = []string{"iceberg", "delta", "hudi"}

func (f TableFormat) String() string { return nameOf(tableFormatNames, int(f)) }

// MarshalText renders the table format as the manifest names it.
func (f TableFormat) MarshalText() ([]byte, error) {
	return textOf("table format", tableFormatNames, int(f))
}

// UnmarshalText reads the manifest's name of a table format.
func (f *TableFormat) UnmarshalText(b []byte) error {
	return parseName("table format", tableFormatNames, string(b), (*int)(f))
}

// Class says who may see a column.
type Class int

const (
	// Internal columns are for everyone who is granted the domain.
	Internal Class = iota
	// Public columns may be shared outside.
	Public
	// Personal columns identify a person; they need a protection.
	Personal
)

var classNames = []string{"internal", "public", "personal"}

func (c Class) String() string { return nameOf(classNames, int(c)) }

// MarshalText renders the class as the manifest names it.
func (c Class) MarshalText() ([]byte, error) { return textOf("class", classNames, int(c)) }

// UnmarshalText reads the manifest's name of a class.
func (c *Class) UnmarshalText(b []byte) error {
	return parseName("class", classNames, string(b), (*int)(c))
}

// Type is a column's type, written as the catalog writes it.
type Type string

// The types without parameters. Decimal makes the one with.
const (
	String    Type = "string"
	Boolean   Type = "boolean"
	Int       Type = "int"
	Bigint    Type = "bigint"
	Double    Type = "double"
	Date      Type = "date"
	Timestamp Type = "timestamp"
)

// Decimal is an exact number with precision digits in all (1 to 38), scale of them after the point (0 to precision).
func Decimal(precision, scale int) Type { return Type(fmt.Sprintf("decimal(%d,%d)", precision, scale)) }

func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("unknown(%d)", i)
	}
	return names[i]
}

func textOf(what string, names []string, i int) ([]byte, error) {
	if i < 0 || i >= len(names) {
		return nil, fmt.Errorf("%s: no such value %d", what, i)
	}
	return []byte(names[i]), nil
}

func parseName(what string, names []string, s string, out *int) error {
	i := slices.Index(names, s)
	if i < 0 {
		return fmt.Errorf("%s: got %q; allowed: %s", what, s, strings.Join(names, ", "))
	}
	*out = i
	return nil
}
