// Package lake composes the layers into one deployable data lake.
package lake

import (
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"

	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// Sources are a lake's sources by id. An id is PascalCase ([A-Z][A-Za-z0-9]{0,30}); it becomes a construct id and, in
// lower case with dashes, the first folder of what the source lands. Changing one is a breaking change.
type Sources map[string]storage.Source

// ids are the sources' ids, sorted, so that a template does not depend on the order of a map.
func (s Sources) ids() []string { return slices.Sorted(maps.Keys(s)) }

// Props declare a lake.
type Props struct {
	// Name prefixes the databases, the workgroup and all else that jobs and people must know, so that several lakes fit
	// one account. [a-z][a-z0-9_]{0,30}. Required.
	Name string
	// Sources bring the data. At least one.
	Sources Sources
	// Models holds the curated tables: one query of Spark SQL per file <domain>/<name>.sql, in any folder, naming its
	// inputs as {{ ref("<domain>.<name>") }}. Leading comment lines become the table's description.
	// Default: no curated tables; the pipeline then has no publish step.
	Models fs.FS
	// Queries holds named queries of the lake's Athena workgroup: one per file <name>.sql, in any folder, naming tables
	// like models do.
	// Default: the built-in query failed_batches only.
	Queries fs.FS
	// Validations compare cleaned tables with the databases they are copies of, by the id of a Replication or another one
	// like it. The id is the name of the source in the results. Each costs two alarms, 0.20 USD a month (list price), and
	// its job when somebody starts it.
	// Default: none.
	Validations map[string]Validation
	// Pipeline tunes how batches are claimed, run and retried.
	// Default: the default of each setting.
	Pipeline processing.Settings
	// ConfigureJob changes the properties of each of the pipeline's jobs, named "refine", "publish", "maintain", "erase" and
	// "validate", as in processing.SparkJobProps.
	// Default: nothing is changed.
	ConfigureJob func(name string, props *awsglue.CfnJobProps)
	// ReconcileEvery is the time between two comparisons of the raw bucket with the inboxes, which find objects whose
	// event was lost or that are older than the lake. Whole minutes, from 1 hour to 7 days.
	// Default: one day.
	ReconcileEvery time.Duration
	// RawRetention is how long landed objects are kept, in whole days. What is gone cannot be replayed. Required if a
	// dataset declares a Subject: raw objects are never rewritten, so whoever is erased stays in them until they go.
	// Default: forever.
	RawRetention time.Duration
	// NoncurrentRetention is how long the table zones (cleaned, curated, quarantine, vaults) keep files after their deletion,
	// in whole days: what maintenance or a mistake has removed can be brought back for as long, and is held, and paid for, as
	// long. It is part of the time after which an erasure is complete.
	// Default: storage.DefaultNoncurrentRetention, 30 days.
	NoncurrentRetention time.Duration
	// ScanLimit cancels an Athena query that has scanned this many bytes, at least 10,000,000.
	// Default: consumption.DefaultScanLimit, 1 TiB.
	ScanLimit int64
	// AlarmTopic receives the alarms and what is told of failures. It must admit CloudWatch alarms of the account, its
	// key too, and the pipeline's function record.
	// Default: a new topic under the control key.
	AlarmTopic awssns.ITopic
	// AlarmEmails are addresses subscribed to the new topic; each has to confirm. Refused together with AlarmTopic.
	// Default: none.
	AlarmEmails []string
	// Keys brings customer keys of your own.
	// Default: five new keys, one per data zone and one for everything else, 5 USD a month in all; a sixth one, for vaults, if
	// a column is tokenised.
	Keys security.KeysProps
	// LogRetention is how long logs are kept, in whole days out of those CloudWatch Logs accepts.
	// Default: 90 days.
	LogRetention time.Duration
	// AllowDeletion lets CloudFormation delete what holds data with the stack (keys, buckets if empty, ledger, databases,
	// logs), if the context flag strata:allow-deletion is set as well.
	// Default: false, all of it is retained.
	AllowDeletion bool
}
