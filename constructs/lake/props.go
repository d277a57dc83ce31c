// Package lake composes the layers into one deployable data lake.
package lake

import (
	"io/fs"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"

	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/storage"
)

// Sources are a lake's sources by id. An id is PascalCase ([A-Z][A-Za-z0-9]{0,30}); it becomes a construct id and, in
// lower case with dashes, the first folder of the source's landed files. Changing one is a breaking change.
type Sources map[string]storage.Source

// Props declare a lake.
type Props struct {
	// Name prefixes the databases and all other names that jobs must know, so that several lakes fit one account.
	// [a-z][a-z0-9_]{0,30}. Required.
	Name string
	// Sources bring the data. At least one, with at least one dataset in all.
	Sources Sources
	// Models holds the curated tables: one query per file <domain>.<name>.sql (in any folder), naming its inputs as
	// {{ ref("<domain>.<name>") }}. Leading comment lines become the table's description.
	// Default: no curated tables; the pipeline then has no publish step.
	Models fs.FS
	// Queries holds named queries for the lake's Athena workgroup: one per file <name>.sql.
	// Default: the built-in query failed_batches only.
	Queries fs.FS
	// Pipeline tunes how batches are claimed, run and retried.
	// Default: processing.Settings{}, every value at its default.
	Pipeline processing.Settings
	// ReconcileEvery is the time between two comparisons of the raw bucket with the inbox, which find objects whose
	// event was lost or that are older than the lake. Whole minutes, from one hour to 7 days.
	// Default: one day.
	ReconcileEvery time.Duration
	// AlarmTopic receives the alarms and the failures of runs.
	// Default: a new topic, encrypted with a key of the lake.
	AlarmTopic awssns.ITopic
}
