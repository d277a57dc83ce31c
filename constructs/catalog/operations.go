package catalog

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// BatchesTable is the name of the table over the ledger's mirror.
const BatchesTable = "batches"

// batchColumns are the fields of a mirrored batch record. The record function writes them under these names.
var batchColumns = []struct{ name, kind string }{
	{"batch", "string"}, {"dataset", "string"}, {"state", "string"}, {"code", "string"}, {"reason", "string"},
	{"run", "string"}, {"attempt", "int"}, {"manifest", "string"}, {"frozen_at", "string"}, {"updated_at", "string"},
	{"snapshot", "string"}, {"objects", "bigint"}, {"objects_read", "bigint"}, {"unreadable", "string"},
	{"read", "bigint"}, {"inserted", "bigint"}, {"updated", "bigint"}, {"deleted", "bigint"}, {"unchanged", "bigint"},
	{"superseded", "bigint"}, {"stale", "bigint"}, {"duplicate", "bigint"}, {"quarantined", "bigint"}, {"blocked", "bigint"},
	{"absent", "bigint"},
}

// OperationsProps configures the operations database.
type OperationsProps struct {
	// Name is the database's physical name: <lake>_operations.
	Name string
	// Artifacts is the bucket that holds the ledger's mirror under ledger/batches/.
	Artifacts storage.ZoneRef
	// AllowDeletion lets CloudFormation delete database and table with the stack, if the context flag
	// strata:allow-deletion is set as well. The mirrored records stay.
	// Default: false, both are retained.
	AllowDeletion bool
	// Configure changes the database's input after the defaults are set. Name and location stay as they are here.
	// Default: nothing is changed.
	Configure func(*awsglue.CfnDatabase_DatabaseInputProperty)
}

// Validate reports every problem of the props.
func (p *OperationsProps) Validate() error {
	var l check.List
	if p == nil {
		p = &OperationsProps{}
	}
	checkDatabaseName(&l, "Name", p.Name)
	if p.Artifacts == nil {
		l.Add("Artifacts", "is missing", nil, "the artifacts bucket, such as storage.NewArtifacts(…)")
	}
	return l.Err()
}

// Operations is the database in which operators ask the lake about itself: its table batches shows every batch with its
// state, reason and counts, as the ledger last had it.
type Operations struct {
	constructs.Construct
	database *Database
}

var _ DatabaseRef = (*Operations)(nil)

// NewOperations makes the database and its table.
func NewOperations(scope constructs.Construct, id string, props *OperationsProps) *Operations {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	o := &Operations{}
	constructs.NewConstruct_Override(o, scope, jsii.String(id))
	o.database = NewDatabase(o, "Database", &DatabaseProps{
		Name: props.Name, Doc: "What the lake did: batches, their states, reasons and counts.",
		Zone: props.Artifacts, Prefix: storage.LedgerMirror, AllowDeletion: props.AllowDeletion, Configure: props.Configure,
	})
	columns := make([]any, len(batchColumns))
	for i, c := range batchColumns {
		columns[i] = &awsglue.CfnTable_ColumnProperty{Name: jsii.String(c.name), Type: jsii.String(c.kind)}
	}
	table := awsglue.NewCfnTable(o, jsii.String("Batches"), &awsglue.CfnTableProps{
		CatalogId:    awscdk.Stack_Of(o).Account(),
		DatabaseName: jsii.String(props.Name),
		TableInput: &awsglue.CfnTable_TableInputProperty{
			Name: jsii.String(BatchesTable), TableType: jsii.String("EXTERNAL_TABLE"),
			Description: jsii.String("One row per batch, as the ledger last had it."),
			Parameters:  map[string]any{"classification": "json"},
			StorageDescriptor: &awsglue.CfnTable_StorageDescriptorProperty{
				Columns: &columns, Location: jsii.String(props.Artifacts.URI(storage.LedgerMirror)),
				InputFormat:  jsii.String("org.apache.hadoop.mapred.TextInputFormat"),
				OutputFormat: jsii.String("org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"),
				SerdeInfo: &awsglue.CfnTable_SerdeInfoProperty{
					SerializationLibrary: jsii.String("org.openx.data.jsonserde.JsonSerDe"),
				},
			},
		},
	})
	table.ApplyRemovalPolicy(security.RemovalPolicy(o, props.AllowDeletion), nil)
	table.AddResourceDependency(o.database.Node().DefaultChild().(awsglue.CfnDatabase), nil)
	return o
}

// Name is the database's name in the catalog.
func (o *Operations) Name() string { return o.database.Name() }

// Zone is the artifacts bucket.
func (o *Operations) Zone() storage.ZoneRef { return o.database.Zone() }

// Prefix is the folder of the ledger's mirror.
func (o *Operations) Prefix() string { return o.database.Prefix() }

// GrantRead lets grantee query the batches.
func (o *Operations) GrantRead(grantee awsiam.IGrantable) awsiam.Grant {
	return o.database.GrantRead(grantee)
}

// GrantReadWrite lets grantee create and change tables of the database and write its records.
func (o *Operations) GrantReadWrite(grantee awsiam.IGrantable) awsiam.Grant {
	return o.database.GrantReadWrite(grantee)
}
