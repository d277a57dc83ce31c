package processing

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// AlarmTopic is where people are told of failures: operations.Alarms is one.
type AlarmTopic interface {
	catalog.Alarms
	// Topic is the topic.
	Topic() awssns.ITopic
	// GrantPublish lets grantee publish to it, its key included.
	GrantPublish(grantee awsiam.IGrantable) awsiam.Grant
}

// Vault is where the tokens of one name are turned back.
type Vault struct {
	// Database holds the vault's table. Refine adds to it, maintenance keeps it, erasures take from it.
	Database catalog.DatabaseRef
	// Secret is the key under which tokens are made.
	Secret *security.HashSecret
}

// PipelineProps configures a pipeline.
type PipelineProps struct {
	Settings
	// Manifest is what the pipeline processes. Required.
	Manifest *catalog.Manifest
	// Raw is the landing zone. Required.
	Raw storage.ZoneRef
	// Artifacts is the bucket for lists, copies, manifests and the ledger's mirror. Required.
	Artifacts storage.ZoneRef
	// Cleaned and Quarantine are the databases of the datasets' domains, all of one zone each. At least one of each.
	Cleaned, Quarantine []catalog.DatabaseRef
	// Curated are the databases of the models' domains, all of one zone. At least one when the manifest has models.
	// Default: none; the state machine then has no publish step.
	Curated []catalog.DatabaseRef
	// Ledger records what the pipeline does. Required.
	Ledger catalog.LedgerRef
	// Alarms is told of failed runs and batches, and has an alarm on the failures of dispatch, one
	// on those of maintenance and, with a Subject, one on those of erasures, 0.10 USD a month each (list price). Required.
	Alarms AlarmTopic
	// HashSecrets are the keys of hashed columns by name; the lake's own has the empty one. Required is each under which the
	// manifest hashes a column.
	// Default: none.
	HashSecrets map[string]*security.HashSecret
	// Vaults are the vaults of tokens by name, in databases of one zone. Required is each that the manifest names.
	// Default: none.
	Vaults map[string]Vault
	// ErasureSecret is the key of the hashes by which erased subjects are remembered. Required if a dataset declares a
	// Subject. It must stay: without it nobody who was erased is known any more.
	// Default: none.
	ErasureSecret *security.HashSecret
	// Key encrypts queues and logs. A key that is brought must admit security.EventsToQueues and security.LogGroups.
	// Default: a new key.
	Key awskms.IKey
	// LogRetention is how long logs are kept, in whole days out of those CloudWatch Logs accepts.
	// Default: 90 days.
	LogRetention time.Duration
	// AllowDeletion lets CloudFormation delete the log groups with the stack, if the context flag strata:allow-deletion
	// is set as well.
	// Default: false, they are retained.
	AllowDeletion bool
	// ConfigureJob changes the properties of each job, named "refine", "publish", "maintain" and "erase", as in
	// SparkJobProps, and that of validations, "validate".
	// Default: nothing is changed.
	ConfigureJob func(name string, props *awsglue.CfnJobProps)
}

// Validate reports every problem of the props.
func (p *PipelineProps) Validate() error {
	var l check.List
	if p == nil {
		p = &PipelineProps{}
	}
	l.Under("", p.Settings.Validate())
	required := func(path string, missing bool, allowed string) {
		if missing {
			l.Add(path, "is missing", nil, allowed)
		}
	}
	required("Manifest", p.Manifest == nil, "catalog.NewManifest(…)")
	required("Raw", p.Raw == nil, "the zone where sources land")
	required("Artifacts", p.Artifacts == nil, "storage.NewArtifacts(…) or an imported zone")
	required("Ledger", p.Ledger == nil, "catalog.NewLedger(…) or an imported ledger")
	required("Alarms", p.Alarms == nil, "operations.NewAlarms(…)")
	required("Cleaned", len(p.Cleaned) == 0, "the cleaned database of each domain with a dataset")
	required("Quarantine", len(p.Quarantine) == 0, "the quarantine database of each domain with a dataset")
	oneZone(&l, "Cleaned", p.Cleaned)
	oneZone(&l, "Quarantine", p.Quarantine)
	oneZone(&l, "Curated", p.Curated)
	oneZone(&l, "Vaults", p.vaults())
	if p.Manifest != nil {
		required("Curated", len(p.Curated) == 0 && p.publishes(), "the curated database of each domain with a model")
		required("ErasureSecret", p.ErasureSecret == nil && p.forgets(), "security.NewHashSecret(…), because a dataset declares a Subject")
		l.Under("", p.CheckAges(p.Manifest.Manifest().Datasets))
		for _, v := range p.Manifest.Vaults() {
			given := p.Vaults[v.Name]
			path := check.Key("Vaults", v.Name)
			required(path+".Database", given.Database == nil, "catalog.NewDatabase(…), because a column is tokenised for it")
			required(path+".Secret", given.Secret == nil, "security.NewHashSecret(…), because a column is tokenised for it")
		}
		for _, name := range p.Manifest.HashKeys() {
			required(fmt.Sprintf("HashSecrets[%q]", name), p.HashSecrets[name] == nil, "security.NewHashSecret(…), because a column is hashed under it")
		}
	}
	security.CheckLogRetention(&l, "LogRetention", p.LogRetention)
	return l.Err()
}

// oneZone reports databases that lie in another zone than the first, since a job is told one bucket per zone.
func oneZone(l *check.List, path string, databases []catalog.DatabaseRef) {
	for i, d := range databases {
		switch {
		case d == nil:
			l.Add(check.Index(path, i), "is nil", nil, "a database")
		case databases[0] != nil && d.Zone().BucketName() != databases[0].Zone().BucketName():
			l.Add(check.Index(path, i), "lies in another zone than "+check.Index(path, 0), d.Name(), "databases of one zone")
		}
	}
}

// vaults are the databases of the vaults, by name.
func (p *PipelineProps) vaults() []catalog.DatabaseRef {
	var all []catalog.DatabaseRef
	for _, name := range slices.Sorted(maps.Keys(p.Vaults)) {
		if db := p.Vaults[name].Database; db != nil {
			all = append(all, db)
		}
	}
	return all
}

func (p *PipelineProps) publishes() bool { return len(p.Manifest.Manifest().Models) > 0 }

// window is the wake window under the tightest freshness of the manifest's datasets.
func (p *PipelineProps) window() time.Duration {
	var promises []time.Duration
	for _, d := range p.Manifest.Manifest().Datasets {
		if d.FreshnessSeconds != nil {
			promises = append(promises, time.Duration(*d.FreshnessSeconds)*time.Second)
		}
	}
	return Window(promises...)
}
