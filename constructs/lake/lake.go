package lake

import (
	"maps"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/consumption"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/operations"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// Lake is a whole data lake in one stack: zones, catalog, ledger, arrivals, pipeline, workgroup and alarms. Its number
// of resources depends on the number of domains, not of datasets: about 94, two per domain with a dataset, one per
// domain with a model, and, from about six domains on, a managed policy where a job's inline policy would outgrow IAM's
// limit. Idle it costs about 7 USD a month: five keys, the alarms and a secret if a column is hashed (list prices,
// us-east-1); everything else is paid by use. The first vault of tokens adds a bucket and a key, and each a secret, a
// database and a workgroup; a validation adds a job and a state machine with two alarms.
type Lake struct {
	constructs.Construct
	props                                          Props
	manifest                                       *catalog.Manifest
	keys                                           *security.Keys
	raw, cleaned, curated, quarantine, artifacts   *storage.Zone
	ledger                                         *catalog.Ledger
	operations                                     *catalog.Operations
	cleanedTables, curatedTables, quarantineTables domains
	vaultZone                                      *storage.Zone
	vaults                                         map[string]vault
	alarms                                         *operations.Alarms
	pipeline                                       *processing.Pipeline
	arrivals                                       *ingestion.Arrivals
	sources                                        map[string]constructs.Construct
	validations                                    map[string]*processing.Validation
	workgroup                                      *consumption.Workgroup
}

// New makes a lake. It reports every problem of the declaration before it makes the first construct, by a panic that
// Main turns into a list.
func New(scope constructs.Construct, id string, props *Props) *Lake {
	manifest, err := props.manifest()
	check.Must(*scope.Node().Path()+"/"+id, err)
	l := &Lake{props: *props, sources: map[string]constructs.Construct{}}
	constructs.NewConstruct_Override(l, scope, jsii.String(id))
	keys := props.Keys
	keys.AllowDeletion = keys.AllowDeletion || props.AllowDeletion
	l.keys = security.NewKeys(l, "Keys", &keys)
	l.manifest = catalog.NewManifest(l, "Manifest", manifest)
	l.newStorage()
	l.newCatalog(manifest)
	l.alarms = operations.NewAlarms(l, "Alarms", l.alarmsProps())
	l.newVaults()
	l.newPipeline()
	for _, source := range props.Sources.ids() {
		l.sources[source] = props.Sources[source].Attach(l, source, asLakeRef{l})
	}
	l.newValidations()
	l.workgroup = consumption.NewWorkgroup(l, "Workgroup", props.workgroup(manifest, l.artifacts, l.operations))
	l.newOutputs()
	return l
}

func (l *Lake) newStorage() {
	logs := storage.NewAccessLogs(l, "AccessLogs", &storage.AccessLogsProps{AllowDeletion: l.props.AllowDeletion})
	zone := func(id string, props storage.ZoneProps) *storage.Zone {
		props.AccessLogs, props.AllowDeletion = logs, l.props.AllowDeletion
		return storage.NewZone(l, id, &props)
	}
	tables := func(id string, key awskms.IKey, results time.Duration) *storage.Zone {
		return zone(id, storage.ZoneProps{Key: key, NoncurrentRetention: l.props.NoncurrentRetention, ResultRetention: results})
	}
	l.raw = zone("Raw", storage.ZoneProps{Key: l.keys.Raw(), Landing: true, Retention: l.props.RawRetention})
	l.cleaned = tables("Cleaned", l.keys.Cleaned(), 0)
	l.curated = tables("Curated", l.keys.Curated(), 0)
	l.quarantine = tables("Quarantine", l.keys.Quarantine(), 0)
	if len(l.manifest.Vaults()) > 0 {
		l.vaultZone = tables("Vault", l.keys.Vault(), detokenisedRetention)
	}
	l.artifacts = storage.NewArtifacts(l, "Artifacts", &storage.ArtifactsProps{
		Key: l.keys.Control(), AccessLogs: logs, AllowDeletion: l.props.AllowDeletion,
	})
}

func (l *Lake) newCatalog(manifest *dataset.Manifest) {
	l.ledger = catalog.NewLedger(l, "Ledger", &catalog.LedgerProps{Key: l.keys.Control(), AllowDeletion: l.props.AllowDeletion})
	l.operations = catalog.NewOperations(l, "Operations", &catalog.OperationsProps{
		Name: manifest.OperationsDatabase, Artifacts: l.artifacts, AllowDeletion: l.props.AllowDeletion,
	})
	l.cleanedTables = l.newDatabases("CleanedTables", l.cleaned, dataset.CleanedDatabase, datasetDomains(manifest))
	l.quarantineTables = l.newDatabases("QuarantineTables", l.quarantine, dataset.QuarantineDatabase, datasetDomains(manifest))
	l.curatedTables = l.newDatabases("CuratedTables", l.curated, dataset.CuratedDatabase, modelDomains(manifest))
}

func (l *Lake) newPipeline() {
	props := &processing.PipelineProps{
		Settings: l.props.Pipeline, Manifest: l.manifest, Raw: l.raw, Artifacts: l.artifacts,
		Cleaned: l.cleanedTables.all(), Quarantine: l.quarantineTables.all(), Curated: l.curatedTables.all(),
		Ledger: l.ledger, Alarms: l.alarms, Key: l.keys.Control(), LogRetention: l.props.LogRetention,
		AllowDeletion: l.props.AllowDeletion, ConfigureJob: l.props.ConfigureJob,
	}
	props.HashSecrets = l.newHashSecrets()
	props.Vaults = l.pipelineVaults()
	if len(l.manifest.Manifest().Subjects()) > 0 {
		props.ErasureSecret = security.NewHashSecret(l, "ErasureSecret", &security.HashSecretProps{
			Key: l.keys.Control(), AllowDeletion: l.props.AllowDeletion,
			Configure: func(p *awssecretsmanager.CfnSecretProps) {
				p.Description = jsii.String("HMAC key by which erased subjects are remembered; must not change")
			},
		})
	}
	l.pipeline = processing.NewPipeline(l, "Pipeline", props)
	l.arrivals = ingestion.NewArrivals(l, "Arrivals", &ingestion.ArrivalsProps{
		Manifest: l.manifest, Raw: l.raw, Ledger: l.ledger, Waker: l.pipeline, ReconcileEvery: l.props.ReconcileEvery, Alarms: l.alarms,
		Key: l.keys.Control(), LogRetention: l.props.LogRetention, AllowDeletion: l.props.AllowDeletion,
	})
	queues := map[string]awssqs.IQueue{}
	maps.Copy(queues, l.pipeline.DeadLetters())
	maps.Copy(queues, l.arrivals.DeadLetters())
	l.alarms.WatchDeadLetters(queues)
}

// newHashSecrets makes the secret of each key that a column is hashed under.
func (l *Lake) newHashSecrets() map[string]*security.HashSecret {
	made := map[string]*security.HashSecret{}
	var named constructs.Construct
	for _, name := range l.manifest.HashKeys() {
		scope, id := constructs.Construct(l), "HashSecret"
		if name != "" {
			if named == nil {
				named = constructs.NewConstruct(l, jsii.String("HashKeys"))
			}
			scope, id = named, name
		}
		made[name] = security.NewHashSecret(scope, id, &security.HashSecretProps{
			Key: l.keys.Control(), AllowDeletion: l.props.AllowDeletion,
		})
	}
	return made
}

func (l *Lake) alarmsProps() *operations.AlarmsProps {
	props := &operations.AlarmsProps{Lake: l.props.Name, Topic: l.props.AlarmTopic, Emails: l.props.AlarmEmails}
	if props.Topic == nil {
		props.Key = l.keys.Control()
	}
	return props
}
