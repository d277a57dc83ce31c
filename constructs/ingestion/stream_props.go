package ingestion

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// StreamProps configures a stream that stands alone.
type StreamProps struct {
	Stream
	// Lake is the name of the lake whose notice and ledger the stream works with. [a-z][a-z0-9_]{0,30}. Required.
	Lake string
	// Raw is the landing zone. Its key also encrypts the records Firehose holds. Required.
	Raw storage.ZoneRef
	// Ledger records what was put back. Required.
	Ledger catalog.LedgerRef
	// Alarms tells people when the stream refuses records or falls behind, two alarms at 0.10 USD a month (list price).
	// Default: no alarms of the stream's own.
	Alarms catalog.Alarms
	// Key encrypts the logs. A key that is brought must admit security.LogGroups.
	// Default: a new key, 1 USD a month.
	Key awskms.IKey
	// LogRetention is how long logs are kept, in whole days out of those CloudWatch Logs accepts.
	// Default: 90 days.
	LogRetention time.Duration
	// AllowDeletion lets CloudFormation delete the log groups with the stack, if the context flag strata:allow-deletion
	// is set as well.
	// Default: false, they are retained.
	AllowDeletion bool
}

// Validate reports every problem of the props.
func (p *StreamProps) Validate() error {
	var l check.List
	if p == nil {
		p = &StreamProps{}
	}
	l.Under("Lake", dataset.ValidateLakeName(p.Lake))
	if p.Raw == nil {
		l.Add("Raw", "is missing", nil, "the zone where records land: storage.NewZone with Landing: true, or an imported one")
	}
	if p.Ledger == nil {
		l.Add("Ledger", "is missing", nil, "catalog.NewLedger(…) or an imported ledger")
	}
	l.Under("", p.Stream.Validate())
	ids := map[string]string{}
	for i, d := range p.Datasets {
		ids[check.Index("Datasets", i)] = d.ID()
	}
	l.Under("", dataset.Unique(ids))
	security.CheckLogRetention(&l, "LogRetention", p.LogRetention)
	return l.Err()
}
