package catalog

import (
	"fmt"
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// readTables is what Athena and Spark need to read a table's definition; getting partitions is asked even of tables
// without any.
var readTables = []string{"glue:BatchGetPartition", "glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions",
	"glue:GetTable", "glue:GetTables"}

// writeTables is what Iceberg's Glue catalog needs to create a table and to commit to it.
var writeTables = []string{"glue:CreateTable", "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:UpdateTable"}

// GrantRead lets grantee read every table of the databases: definitions, files and keys. One call for many databases
// makes a short policy; a role holds about ten thousand characters of them.
func GrantRead(grantee awsiam.IGrantable, databases ...DatabaseRef) awsiam.Grant {
	return grantTables(grantee, readTables, storage.ZoneRef.GrantRead, databases)
}

// GrantReadWrite lets grantee read, create and change every table of the databases; it may drop none.
func GrantReadWrite(grantee awsiam.IGrantable, databases ...DatabaseRef) awsiam.Grant {
	return grantTables(grantee, writeTables, storage.ZoneRef.GrantReadWrite, databases)
}

type zoneGrant = func(storage.ZoneRef, awsiam.IGrantable, ...string) awsiam.Grant

// grantTables allows catalog actions on databases and their tables, and access to their folders. Glue checks each of
// catalog, database and table.
func grantTables(grantee awsiam.IGrantable, actions []string, files zoneGrant, databases []DatabaseRef) awsiam.Grant {
	if len(databases) == 0 {
		return awsiam.Grant_Drop(grantee, jsii.String("no database"))
	}
	stack := awscdk.Stack_Of(databases[0].Zone().Bucket())
	arn := func(resource string) string {
		return fmt.Sprintf("arn:%s:glue:%s:%s:%s", *stack.Partition(), *stack.Region(), *stack.Account(), resource)
	}
	arns := []string{arn("catalog")}
	var accepted []string
	var zones []storage.ZoneRef
	folders := map[storage.ZoneRef][]string{}
	for _, d := range databases {
		arns = append(arns, arn("database/"+d.Name()), arn("table/"+d.Name()+"/*"))
		accepted = append(accepted, `/^Resource::.*:table\/`+regexp.QuoteMeta(d.Name())+`\/\*$/g`)
		if folders[d.Zone()] == nil {
			zones = append(zones, d.Zone())
		}
		folders[d.Zone()] = append(folders[d.Zone()], d.Prefix())
	}
	g := awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings(actions...), ResourceArns: jsii.Strings(arns...),
	})
	security.AcceptGrant(grantee, security.Finding{Rule: "AwsSolutions-IAM5", AppliesTo: accepted,
		Reason: "Jobs create the tables of a database, so a grant reaches all tables of that one database."})
	for _, z := range zones {
		g = g.Combine(files(z, grantee, folders[z]...))
	}
	return g
}
