package ingestion

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/constructs-go/constructs/v10"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

// Replication is a source that follows tables of a database: AWS DMS Serverless copies each of them as it is and then
// writes its changes as they are committed, both as Parquet below <source>/g<generation>/<schema>/<table>/. Its datasets
// are of load CDC, with the table's primary key as Keys; format and sequence come from the source.
//
// A table that has no primary key is refused by DMS: it would lose updates and deletes. A change of the set of datasets,
// of Schema, Tables or Mode needs a higher Generation, since DMS does not change what a replication that has started
// copies.
//
// A Replication is a plain value: nothing exists until a lake (or NewReplication) takes it. A further dataset costs no
// resource.
type Replication struct {
	// From is the database. Required.
	From Postgres
	// Schema is the schema of the tables: [A-Za-z_][A-Za-z0-9_]{0,62}.
	// Default: public.
	Schema string
	// Tables names the table of a dataset, by the dataset's id, where its name differs from the dataset's.
	// Default: each table has its dataset's name.
	Tables map[string]string
	// Datasets are the datasets, one for each table. At least one.
	Datasets []dataset.Spec
	// Generation numbers the full load, from 1 to 999. Raising it loads every table anew, into a folder of its own: what a
	// table held before and does not hold any more is deleted from the lake once the new load is complete. Never lower it.
	// Default: 1.
	Generation int
	// Mode is what is copied.
	// Default: LoadAndChanges.
	Mode Mode
	// MaxCapacity bounds what DMS provisions, in capacity units of 2 GiB: 1, 2, 4, 8, 16, 32, 64, 128, 192, 256 or 384.
	// Default: 4.
	MaxCapacity int
	// MultiAZ keeps a second replication ready in another availability zone, at twice the price.
	// Default: false.
	MultiAZ bool
	// MaxLOB is the longest text, JSON or binary value that is copied, in KiB, from 1 to 102400. DMS cannot copy values of
	// any length to S3; one that is longer stops the replication with an alarm, since it would be cut.
	// Default: 1024.
	MaxLOB int
	// MaxLatency is how far changes may lag behind before the alarm goes off, whole minutes from one.
	// Default: 15 minutes.
	MaxLatency time.Duration
	// AccountRoles makes the two roles of fixed names that DMS needs in every account, dms-vpc-role and
	// dms-cloudwatch-logs-role. An account can have them once: leave it to one stack, or to none if the account has them.
	// Default: false.
	AccountRoles bool
	// PreserveTransactions has DMS write the changes of all tables into one folder of the raw zone, in the order in which
	// their transactions were committed, as CSV; a function cuts the files and hands each table's records to its dataset.
	// Cleaned tables are merged one by one all the same. The columns of each dataset are then the table's columns, all of
	// them and in the table's order, and a column of bytes has Protect: Drop; see docs/transactions.md. A change needs a
	// higher Generation. The function costs about 0.35 USD a million files beside what they hold (list prices).
	// Default: false.
	PreserveTransactions bool
}

// Mode is what a replication copies.
type Mode string

const (
	// LoadAndChanges copies the tables and then their changes.
	LoadAndChanges Mode = contract.ModeLoadAndChanges
	// LoadOnly copies the tables once.
	LoadOnly Mode = contract.ModeLoadOnly
	// ChangesOnly copies changes from the first start on. What the tables held before stays unknown.
	ChangesOnly Mode = contract.ModeChangesOnly
)

const (
	defaultSchema      = "public"
	maxGeneration      = 999
	defaultMaxCapacity = 4
	defaultMaxLOB      = 1024
	highestMaxLOB      = 102400
	defaultMaxLatency  = 15 * time.Minute
)

// capacities are the values DMS Serverless takes.
var capacities = []int{1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

const identifierAllowed = "[A-Za-z_][A-Za-z0-9_]{0,62}, exactly as the database has it"

var _ storage.Source = Replication{}

// Specs are the datasets, with the format of what DMS writes.
func (r Replication) Specs() []dataset.Spec {
	specs := slices.Clone(r.Datasets)
	for i := range specs {
		if specs[i].Format == nil {
			specs[i].Format = dataset.DMS{Transactions: r.PreserveTransactions}
		}
	}
	return specs
}

// Landings are the prefixes the source claims under its id: one per dataset and generation up to the declared one.
func (r Replication) Landings(id string) []dataset.Landing {
	var landings []dataset.Landing
	for g := 1; g <= min(r.generation(), maxGeneration); g++ {
		for _, s := range r.Datasets {
			landings = append(landings, dataset.Landing{Prefix: fmt.Sprintf("%s%s/%s/", generationFolder(id, g), r.schema(), r.table(s)),
				Dataset: s.ID(), Source: id, Generation: &g})
		}
	}
	return landings
}

// generationFolder is where a generation lands.
func generationFolder(id string, generation int) string {
	return fmt.Sprintf("%sg%d/", Folder(id), generation)
}

// Validate reports every problem of the declaration, those of its datasets included.
func (r Replication) Validate() error {
	var l check.List
	l.Under("From", r.From.validate())
	if len(r.Datasets) == 0 {
		l.Add("Datasets", "is empty", nil, "at least one dataset of load CDC")
	}
	for i, s := range r.Specs() {
		path := check.Index("Datasets", i)
		l.Under(path, s.Validate())
		if s.Load != dataset.CDC {
			l.Add(check.Join(path, "Load"), "is not what a replication delivers", s.Load, "CDC")
		}
		if s.Format != (dataset.DMS{Transactions: r.PreserveTransactions}) {
			l.Add(check.Join(path, "Format"), "is not what a replication delivers", strings.TrimPrefix(fmt.Sprintf("%T", s.Format), "dataset."), "none, the source knows it")
		}
	}
	r.checkTables(&l)
	r.checkSettings(&l)
	return l.Err()
}

func (r Replication) checkTables(l *check.List) {
	if !identifier.MatchString(r.schema()) {
		l.Add("Schema", "is no name a replication can follow", r.Schema, identifierAllowed)
	}
	ids, tables := map[string]bool{}, map[string]string{}
	for i, s := range r.Datasets {
		ids[s.ID()] = true
		path, table := check.Index("Datasets", i), r.table(s)
		if other, taken := tables[table]; taken {
			l.Add(path, "is of the same table as "+other, table, "one dataset for each table; say in Tables which table is whose")
		}
		tables[table] = path
	}
	for _, id := range slices.Sorted(maps.Keys(r.Tables)) {
		if !ids[id] {
			l.Add(check.Key("Tables", id), "is no dataset of the source", id, "the id of one of Datasets, <domain>.<name>")
		}
		if !identifier.MatchString(r.Tables[id]) {
			l.Add(check.Key("Tables", id), "is no name a replication can follow", r.Tables[id], identifierAllowed)
		}
	}
}

func (r Replication) checkSettings(l *check.List) {
	if r.Generation < 0 || r.Generation > maxGeneration {
		l.Add("Generation", "is out of range", r.Generation, fmt.Sprintf("1 to %d, or 0 for 1", maxGeneration))
	}
	if m := r.Mode; m != "" && m != LoadAndChanges && m != LoadOnly && m != ChangesOnly {
		l.Add("Mode", "is no mode", string(m), "LoadAndChanges, LoadOnly, ChangesOnly")
	}
	if c := r.MaxCapacity; c != 0 && !slices.Contains(capacities, c) {
		l.Add("MaxCapacity", "is no capacity DMS has", c, strings.Trim(fmt.Sprint(capacities), "[]")+fmt.Sprintf(", or 0 for %d", defaultMaxCapacity))
	}
	if r.MaxLOB < 0 || r.MaxLOB > highestMaxLOB {
		l.Add("MaxLOB", "is out of range", r.MaxLOB, fmt.Sprintf("1 to %d KiB, or 0 for %d", highestMaxLOB, defaultMaxLOB))
	}
	if d := r.MaxLatency; d < 0 || d%time.Minute != 0 {
		l.Add("MaxLatency", "is no number of whole minutes", d, fmt.Sprintf("a positive multiple of one minute, or 0 for %v", defaultMaxLatency))
	}
	if r.PreserveTransactions && r.mode() == LoadOnly {
		l.Add("PreserveTransactions", "has no effect on a load", true, "false, or a Mode with changes: LoadAndChanges, ChangesOnly")
	}
}

func (r Replication) schema() string { return or(r.Schema, defaultSchema) }

func (r Replication) generation() int { return or(r.Generation, 1) }

func (r Replication) mode() Mode { return or(r.Mode, LoadAndChanges) }

func (r Replication) table(s dataset.Spec) string { return or(r.Tables[s.ID()], s.Name) }

var _ catalog.Followed = Replication{}

// SourceDatabase is the database with the tables that are followed.
func (r Replication) SourceDatabase() catalog.SourceDatabase {
	tables := map[string]string{}
	for _, s := range r.Datasets {
		tables[s.ID()] = r.table(s)
	}
	return r.From.Holding(r.schema(), tables)
}

// or is v, or the default if v is the zero value.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Attach makes the replication and its controller below scope.
func (r Replication) Attach(scope constructs.Construct, id string, lake storage.LakeRef) constructs.Construct {
	control := catalog.Control(*scope.Node().Path()+"/"+id, lake)
	return NewReplication(scope, id, &ReplicationProps{
		Replication: r, Manifest: control.Manifest(), Raw: control.Raw(), Ledger: control.Ledger(), Waker: control.Waker(),
		Alarms: control.Alarms(), Key: control.Key(), LogRetention: control.LogRetention(), AllowDeletion: control.AllowDeletion(),
	})
}
