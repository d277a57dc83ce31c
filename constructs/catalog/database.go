// Package catalog holds what describes the data: Glue databases per domain and zone, the operations database over the
// ledger's mirror, and the ledger itself.
package catalog

import (
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/conv"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// DatabaseRef is a Glue database and the data under it, owned or imported. Its grants cover catalog, objects and key.
type DatabaseRef interface {
	// Name is the database's name in the catalog.
	Name() string
	// Zone is the bucket its tables lie in.
	Zone() storage.ZoneRef
	// Prefix is the folder of its tables in the zone, ending in a slash.
	Prefix() string
	// GrantRead lets grantee read every table of the database.
	GrantRead(grantee awsiam.IGrantable) awsiam.Grant
	// GrantReadWrite lets grantee read, create and change every table of the database; it may drop none.
	GrantReadWrite(grantee awsiam.IGrantable) awsiam.Grant
}

// databaseName is what Glue, Athena and Spark all accept without quoting.
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,254}$`)

// DatabaseProps configures a database.
type DatabaseProps struct {
	// Name is the database's physical name, which jobs must know: [a-z][a-z0-9_]{0,254}, such as commerce_sales_cleaned.
	Name string
	// Doc describes the database, in at most 2,048 characters.
	// Default: no description.
	Doc string
	// Zone is the bucket its tables lie in.
	Zone storage.ZoneRef
	// Prefix is the folder of its tables in the zone, ending in a slash, such as "sales/".
	Prefix string
	// AllowDeletion lets CloudFormation delete the database with the stack, if the context flag strata:allow-deletion is
	// set as well. Deleting a database deletes its table definitions, not their files.
	// Default: false, the database is retained.
	AllowDeletion bool
	// Configure changes the database's input after the defaults are set. Name and location stay as they are here.
	// Default: nothing is changed.
	Configure func(*awsglue.CfnDatabase_DatabaseInputProperty)
}

// Validate reports every problem of the props.
func (p *DatabaseProps) Validate() error {
	var l check.List
	if p == nil {
		p = &DatabaseProps{}
	}
	checkDatabaseName(&l, "Name", p.Name)
	if len(p.Doc) > 2048 {
		l.Add("Doc", "is too long", len(p.Doc), "at most 2048 characters")
	}
	if p.Zone == nil {
		l.Add("Zone", "is missing", nil, "the zone the tables lie in, such as storage.NewZone(…)")
	}
	checkPrefix(&l, "Prefix", p.Prefix)
	return l.Err()
}

func checkDatabaseName(l *check.List, path, name string) {
	if !check.Unresolved(name) && !databaseName.MatchString(name) {
		l.Add(path, "is no database name", name, databaseName.String())
	}
}

func checkPrefix(l *check.List, path, prefix string) {
	if !check.Unresolved(prefix) && !folder.MatchString(prefix) {
		l.Add(path, "is no folder", prefix, `a relative path that ends in a slash, such as "sales/"`)
	}
}

var folder = regexp.MustCompile(`^([^/*?]+/)+$`)

// Database is a Glue database whose tables lie under one folder of one zone. It costs nothing; the first million
// catalog objects and requests a month are free (list price).
type Database struct {
	constructs.Construct
	name, prefix string
	zone         storage.ZoneRef
}

var _ DatabaseRef = (*Database)(nil)

// NewDatabase makes a database.
func NewDatabase(scope constructs.Construct, id string, props *DatabaseProps) *Database {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	d := &Database{name: props.Name, prefix: props.Prefix, zone: props.Zone}
	constructs.NewConstruct_Override(d, scope, jsii.String(id))
	input := &awsglue.CfnDatabase_DatabaseInputProperty{Description: conv.Text(props.Doc)}
	if props.Configure != nil {
		props.Configure(input)
	}
	input.Name = jsii.String(props.Name)
	input.LocationUri = jsii.String(props.Zone.URI(props.Prefix))
	db := awsglue.NewCfnDatabase(d, jsii.String("Resource"), &awsglue.CfnDatabaseProps{
		CatalogId: awscdk.Stack_Of(d).Account(), DatabaseInput: input,
	})
	db.ApplyRemovalPolicy(security.RemovalPolicy(d, props.AllowDeletion), nil)
	return d
}

// Name is the database's name in the catalog.
func (d *Database) Name() string { return d.name }

// Zone is the bucket its tables lie in.
func (d *Database) Zone() storage.ZoneRef { return d.zone }

// Prefix is the folder of its tables in the zone, ending in a slash.
func (d *Database) Prefix() string { return d.prefix }

// GrantRead lets grantee read every table of the database: its definition, its files and their key.
func (d *Database) GrantRead(grantee awsiam.IGrantable) awsiam.Grant {
	return GrantRead(grantee, d)
}

// GrantReadWrite lets grantee read, create and change every table of the database; it may drop none.
func (d *Database) GrantReadWrite(grantee awsiam.IGrantable) awsiam.Grant {
	return GrantReadWrite(grantee, d)
}

// DatabaseAttributes identify a database that exists already.
type DatabaseAttributes struct {
	// Name is the database's name in the catalog.
	Name string
	// Zone is the bucket its tables lie in.
	Zone storage.ZoneRef
	// Prefix is the folder of its tables in the zone, ending in a slash.
	Prefix string
}

// DatabaseFromAttributes refers to an existing database of the stack's account and region, which is never changed.
func DatabaseFromAttributes(scope constructs.Construct, id string, attributes DatabaseAttributes) DatabaseRef {
	p := &DatabaseProps{Name: attributes.Name, Zone: attributes.Zone, Prefix: attributes.Prefix}
	check.Must(*scope.Node().Path()+"/"+id, p.Validate())
	d := &Database{name: p.Name, prefix: p.Prefix, zone: p.Zone}
	constructs.NewConstruct_Override(d, scope, jsii.String(id))
	return d
}
