package catalog

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/storage"
)

// OperationsProps configures the operations database.
type OperationsProps struct {
	// Name is the database's physical name: <lake>_operations.
	Name string
	// Artifacts is the bucket that holds the ledger's mirror under ledger/batches/, and what became of quality rules under
	// quality/.
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
// state, reason and counts, as the ledger last had it, quality_results every quality rule in every batch, and
// quality_profiles the statistics of its columns.
type Operations struct {
	constructs.Construct
	database *Database
}

var _ DatabaseRef = (*Operations)(nil)

// NewOperations makes the database and its tables.
func NewOperations(scope constructs.Construct, id string, props *OperationsProps) *Operations {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	o := &Operations{}
	constructs.NewConstruct_Override(o, scope, jsii.String(id))
	o.database = NewDatabase(o, "Database", &DatabaseProps{
		Name: props.Name, Doc: "What the lake did: batches, their states, reasons and counts.",
		Zone: props.Artifacts, Prefix: storage.LedgerMirror, AllowDeletion: props.AllowDeletion, Configure: props.Configure,
	})
	o.newTables(props)
	return o
}

// Name is the database's name in the catalog.
func (o *Operations) Name() string { return o.database.Name() }

// Zone is the artifacts bucket.
func (o *Operations) Zone() storage.ZoneRef { return o.database.Zone() }

// Prefix is the folder of the ledger's mirror.
func (o *Operations) Prefix() string { return o.database.Prefix() }

// GrantRead lets grantee query the batches, the results of quality rules, of maintenance and of validations, and the
// reports on erasures. Of rows that differ from their source's it shows keys, and values of columns without protection.
func (o *Operations) GrantRead(grantee awsiam.IGrantable) awsiam.Grant {
	return o.database.GrantRead(grantee).Combine(o.Zone().GrantRead(grantee, storage.Corrections, storage.ErasureObjects, storage.ErasureResults,
		storage.Quality, storage.MaintenanceResults, storage.ValidationMismatches, storage.ValidationResults))
}

// GrantReadWrite lets grantee create and change tables of the database and write its records.
func (o *Operations) GrantReadWrite(grantee awsiam.IGrantable) awsiam.Grant {
	return o.database.GrantReadWrite(grantee).Combine(o.Zone().GrantReadWrite(grantee, storage.Quality))
}
