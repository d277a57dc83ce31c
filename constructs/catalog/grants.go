package catalog

import (
	"fmt"
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/security"
)

// readTables is what Athena and Spark need to read a table's definition; getting partitions is asked even of tables
// without any.
var readTables = []string{"glue:BatchGetPartition", "glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions",
	"glue:GetTable", "glue:GetTables"}

// writeTables is what Iceberg's Glue catalog needs to create a table and to commit to it.
var writeTables = []string{"glue:CreateTable", "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:UpdateTable"}

// grantTables allows catalog actions on one database and its tables. Glue checks each of catalog, database and table.
func grantTables(scope constructs.Construct, grantee awsiam.IGrantable, database string, actions []string) awsiam.Grant {
	stack := awscdk.Stack_Of(scope)
	arn := func(resource string) *string {
		return jsii.String(fmt.Sprintf("arn:%s:glue:%s:%s:%s", *stack.Partition(), *stack.Region(), *stack.Account(), resource))
	}
	g := awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings(actions...),
		ResourceArns: &[]*string{arn("catalog"), arn("database/" + database), arn("table/" + database + "/*")},
	})
	security.AcceptGrant(grantee, security.Finding{Rule: "AwsSolutions-IAM5",
		Reason:    "Jobs create the tables of a database, so a grant reaches all tables of that one database.",
		AppliesTo: []string{`/^Resource::.*:table\/` + regexp.QuoteMeta(database) + `\/\*$/g`}})
	return g
}
