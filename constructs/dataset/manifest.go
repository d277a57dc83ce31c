package dataset

import "slices"

// SchemaVersion is the manifest version this package writes and reads.
const SchemaVersion = 1

// Manifest is everything jobs and Lambdas know about a lake. It is stored under the SHA-256 of its bytes, and a batch
// pins the one it ran with.
type Manifest struct {
	SchemaVersion      int       `json:"schema_version"`
	Lake               string    `json:"lake"`
	OperationsDatabase string    `json:"operations_database"`
	Datasets           []Entry   `json:"datasets"`
	Landing            []Landing `json:"landing"`
	Models             []Model   `json:"models"`
	// Vaults are those that columns are tokenised for, sorted by name; absent if there is none.
	Vaults []Vault `json:"vaults,omitempty"`
}

// Entry is a dataset as the manifest states it: every default filled in.
type Entry struct {
	ID                 string      `json:"id"`
	Domain             string      `json:"domain"`
	Name               string      `json:"name"`
	Owner              string      `json:"owner"`
	Doc                string      `json:"doc"`
	Load               Load        `json:"load"`
	Keys               []string    `json:"keys"`
	Sequence           *string     `json:"sequence"`
	Format             FileFormat  `json:"format"`
	Columns            []Column    `json:"columns"`
	UniqueKey          bool        `json:"unique_key"`
	Rules              Rules       `json:"rules"`
	Gate               Gate        `json:"gate"`
	TableFormat        TableFormat `json:"table_format"`
	CleanedDatabase    string      `json:"cleaned_database"`
	QuarantineDatabase string      `json:"quarantine_database"`
	FreshnessSeconds   *int64      `json:"freshness_seconds"`
	// Delivery orders the deliveries of a snapshot; nil, and absent, for every other load.
	Delivery *Delivery `json:"delivery,omitempty"`
	// Profile says that statistics of each batch's columns are kept; absent where they are not.
	Profile bool `json:"profile,omitempty"`
	// Window bounds where an append looks for a key; nil, and absent, for the whole table.
	Window *WindowEntry `json:"window,omitempty"`
	// Drift is what becomes of other columns than the declared ones; nil, and absent, for Report.
	Drift *Drift `json:"drift,omitempty"`
	// Maintenance is how the dataset's tables are kept; nil, and absent, where nothing but the defaults is declared.
	Maintenance *Upkeep `json:"maintenance,omitempty"`
	// Subject is whom the rows are about; nil, and absent, for nobody.
	Subject *SubjectEntry `json:"subject,omitempty"`
}

// Warns says whether a rule of some dataset warns.
func (m *Manifest) Warns() bool {
	warns := func(r Rule) bool { return r.Policy() == Warn }
	return slices.ContainsFunc(m.Datasets, func(d Entry) bool {
		return slices.ContainsFunc(d.Rules, warns) || slices.ContainsFunc(d.Columns, func(c Column) bool { return slices.ContainsFunc(c.Rules, warns) })
	})
}

// Vault is where the tokens of a name are turned back into values.
type Vault struct {
	Name     string `json:"name"`
	Database string `json:"database"`
}

// Landing says which dataset the objects under a prefix of the raw bucket belong to.
type Landing struct {
	// Prefix ends in a slash; the longest prefix of a key wins.
	Prefix string `json:"prefix"`
	// Dataset is the id of the dataset.
	Dataset string `json:"dataset"`
	// Source is the id of the source that lands there.
	Source string `json:"source"`
	// Generation numbers the load of a CDC dataset that the prefix holds, with the changes after it: from 1 to
	// MaxGeneration, unique within the dataset. Of two generations the higher one is the later. Nil for every other
	// dataset.
	Generation *int `json:"generation"`
}

// MaxGeneration is the highest generation of a landing.
const MaxGeneration = 999999

// Model is a curated table: one SQL query over cleaned tables and other models.
type Model struct {
	ID       string `json:"id"`
	Domain   string `json:"domain"`
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	Database string `json:"database"`
	// SQL is the query without its leading comment; it names tables as {{ ref("<id>") }} only.
	SQL string `json:"sql"`
	// Inputs are the ids the query refers to, sorted.
	Inputs []string `json:"inputs"`

	file string // where Models found it
}
