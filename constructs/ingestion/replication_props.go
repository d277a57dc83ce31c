package ingestion

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// ReplicationProps configures a replication that stands alone.
type ReplicationProps struct {
	Replication
	// Manifest is the lake's declaration, with the landings of this source. Required.
	Manifest *catalog.Manifest
	// Raw is the landing zone. Required.
	Raw storage.ZoneRef
	// Ledger records loads and what the controller remembers. Required.
	Ledger catalog.LedgerRef
	// Waker is woken when a load is complete. Required.
	Waker catalog.Waker
	// Alarms tells people when the replication stops, lags behind or leaves a table out. Required.
	Alarms catalog.Alarms
	// Key encrypts the controller's log, and with PreserveTransactions a queue. A key that is brought must admit
	// security.LogGroups, and with PreserveTransactions security.EventsToQueues.
	// Default: a new key.
	Key awskms.IKey
	// LogRetention is how long the controller's log is kept, in whole days out of those CloudWatch Logs accepts.
	// Default: 90 days.
	LogRetention time.Duration
	// AllowDeletion lets CloudFormation delete the log group with the stack, if the context flag strata:allow-deletion is
	// set as well.
	// Default: false, it is retained.
	AllowDeletion bool
}

// Validate reports every problem of the props.
func (p *ReplicationProps) Validate() error {
	var l check.List
	if p == nil {
		p = &ReplicationProps{}
	}
	required := func(path string, missing bool, allowed string) {
		if missing {
			l.Add(path, "is missing", nil, allowed)
		}
	}
	required("Manifest", p.Manifest == nil, "catalog.NewManifest(…)")
	required("Raw", p.Raw == nil, "the zone where sources land")
	required("Ledger", p.Ledger == nil, "catalog.NewLedger(…) or an imported ledger")
	required("Waker", p.Waker == nil, "processing.NewPipeline(…)")
	required("Alarms", p.Alarms == nil, "operations.NewAlarms(…)")
	security.CheckLogRetention(&l, "LogRetention", p.LogRetention)
	l.Under("", p.Replication.Validate())
	return l.Err()
}
