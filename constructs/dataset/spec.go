// Package dataset declares what a dataset is: its columns, keys, load kind, quality rules and protection. Every layer of
// the lake derives from such a declaration, and nothing is said twice. The package is plain Go: it imports neither the
// CDK nor jsii, so the Lambdas read the same types.
package dataset

import "time"

// Spec declares one dataset.
type Spec struct {
	// Domain is the business area that owns the dataset. It names the databases: <lake>_<domain>_cleaned and so on.
	// [a-z][a-z0-9_]{0,62}.
	Domain string
	// Name is the table's name within its domain. [a-z][a-z0-9_]{0,62}.
	Name string
	// Owner is the team that answers for the data: one line, at most 255 bytes. It is recorded in the manifest.
	// Default: no owner is recorded.
	Owner string
	// Doc describes one row in a sentence, in at most 2048 bytes. It becomes the table's comment.
	// Default: no description.
	Doc string
	// Load says how a landed record changes the table.
	// Default: Append, which never changes a stored row.
	Load Load
	// Keys are the columns that identify a row, each unprotected or hashed. Upsert and CDC need them.
	// Default: none. Every record of an Append is then a row, by its place in the object it landed in, so that records that
	// are delivered twice are two rows. The rows of a Snapshot are told apart by their content, and alike ones counted: a
	// row that has changed is deleted and another one inserted.
	Keys []string
	// Sequence is the column that orders the changes of one key: the highest wins. It is of type Bigint, Int or
	// Timestamp and unprotected. Required for Upsert, refused for every other load: of CDC the source supplies it.
	Sequence string
	// Window says within what time a key is looked for. For Append only.
	// Default: in the whole table.
	Window Window
	// Columns are the declared columns, in table order. At least one.
	Columns []Column
	// Rules judge the dataset as a whole: RowCountWithin, Satisfies, CustomSQL, and UniqueKey, which CDC refuses, since the
	// source keeps its keys unique itself, and Snapshot, which always sets rows of one key and different content aside.
	// Default: none.
	Rules Rules
	// Format is the layout of landed files: CSV, Parquet or JSON; for CDC what a replication supplies, DMSCSV or DMSJSON.
	// Default: CSV{}, that is a header line, commas, and the empty field as NULL. For CDC, what the source that delivers
	// the dataset writes.
	Format Format
	// Drift says what becomes of input whose columns are not the declared ones.
	// Default: Report.
	Drift Drift
	// Deliveries says which of two deliveries is later. For Snapshot only.
	// Default: the one that S3 stored later.
	Deliveries Deliveries
	// TableFormat is the format of the cleaned table. It cannot change once the table exists: a batch then fails with
	// code schema. Quarantine and curated tables are always Iceberg.
	// Default: Iceberg.
	TableFormat TableFormat
	// Gate blocks a batch that looks wrong before it reaches the table.
	// Default: no batch is blocked, but for a snapshot that would delete more than half of the rows.
	Gate Gate
	// Profile keeps statistics of each batch's columns: how many values, NULLs and, about, distinct values; lowest, highest
	// and mean of numbers, lowest and highest of dates and timestamps, lengths of text. They are rows of the table
	// quality_profiles in the operations database. Each batch takes one more pass over its rows.
	// Default: false, none are kept.
	Profile bool
	// Maintenance says how long replaced states of the tables are kept and to which size their files are compacted.
	// Default: 7 days, and 128 MiB.
	Maintenance Maintenance
	// Subject says whom the rows are about, so that one person's rows can be erased on request.
	// Default: nobody; an erasure passes the dataset over.
	Subject Subject
	// Freshness is how soon a landed record should be in the table: whole seconds, at least one minute. The time the lake
	// gathers arrivals before it starts a run follows the tightest promise among its datasets.
	// Default: zero, no promise.
	Freshness time.Duration
}

// ID is the dataset's identity in a lake: <domain>.<name>.
func (s Spec) ID() string { return s.Domain + "." + s.Name }

// Column declares one column.
type Column struct {
	// Name is the column's name in the file and in the table. [a-z][a-z0-9_]{0,62}.
	Name string `json:"name"`
	// Type is the column's type in the cleaned table. A value that does not parse is quarantined.
	Type Type `json:"type"`
	// Doc describes the column in one line of at most 255 bytes. It becomes the column's comment.
	// Default: no description.
	Doc string `json:"doc"`
	// Required quarantines rows in which the column is NULL. Key columns and the sequence are always required.
	// Default: NULL is accepted.
	Required bool `json:"required"`
	// Class says who may see the column.
	// Default: Internal.
	Class Class `json:"class"`
	// Protect says how the column is made safe before it is stored outside the raw zone. Personal columns need one.
	// Rules see the value before it is protected.
	// Default: None.
	Protect Protection `json:"protect"`
	// Rules are what the column's values must satisfy. A value that breaks AtLeast, AtMost, Between, OneOf or Pattern has
	// its row quarantined, unless the rule says Block or Warn, and so has one that References does not find; NULL breaks none
	// of them. Completeness and FreshWithin judge the batch, Uniqueness the table.
	// Default: none.
	Rules Rules `json:"rules"`
}

// Gate says when a whole batch is blocked: the table stays as it is until an operator replays the batch.
type Gate struct {
	// MaxQuarantinedShare is the largest accepted share of quarantined rows among the rows read, from 0 (no bad row is
	// accepted) to 1. Write it as dataset.Share(0.05).
	// Default: nil, any share is accepted.
	MaxQuarantinedShare *float64
	// MinRows is the smallest accepted number of rows read.
	// Default: zero, any number is accepted.
	MinRows int
	// MaxDeletedShare is the largest accepted share of the stored rows that a snapshot deletes because it no longer has
	// them, from 0 (no row may go) to 1 (an empty snapshot empties the table). For Snapshot only. Write it as
	// dataset.Share(0.1).
	// Default: for Snapshot Share(0.5).
	MaxDeletedShare *float64
}

// Share is a share for Gate.MaxQuarantinedShare or Gate.MaxDeletedShare, from 0 to 1.
func Share(x float64) *float64 { return &x }
