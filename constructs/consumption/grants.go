package consumption

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
)

// queryActions are what a client does with a workgroup: run, watch and stop queries, fetch results, find named queries.
var queryActions = []string{
	"athena:BatchGetNamedQuery", "athena:BatchGetQueryExecution", "athena:GetNamedQuery", "athena:GetQueryExecution",
	"athena:GetQueryResults", "athena:GetQueryResultsStream", "athena:GetWorkGroup", "athena:ListNamedQueries",
	"athena:ListQueryExecutions", "athena:StartQueryExecution", "athena:StopQueryExecution",
}

// GrantQuery lets grantee run queries in the workgroup over the databases: workgroup, results, table definitions, data
// and keys together. Athena acts with the caller's permissions, so nothing else is needed, and no other data is reached.
func (w *Workgroup) GrantQuery(grantee awsiam.IGrantable, databases ...catalog.DatabaseRef) awsiam.Grant {
	stack := awscdk.Stack_Of(w)
	arn := func(service, resource string) string {
		return fmt.Sprintf("arn:%s:%s:%s:%s:%s", *stack.Partition(), service, *stack.Region(), *stack.Account(), resource)
	}
	allow := func(actions []string, arns ...string) awsiam.Grant {
		return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
			Grantee: grantee, Actions: jsii.Strings(actions...), ResourceArns: jsii.Strings(arns...),
		})
	}
	g := allow(queryActions, arn("athena", "workgroup/"+w.name))
	// Athena asks for the default database before any query, whether it exists or not.
	g = g.Combine(allow([]string{"glue:GetDatabase"}, arn("glue", "catalog"), arn("glue", "database/default")))
	g = g.Combine(allow([]string{"s3:GetBucketLocation", "s3:ListBucketMultipartUploads"}, w.artifacts.BucketArn()))
	g = g.Combine(allow([]string{"s3:ListMultipartUploadParts"}, w.artifacts.BucketArn()+"/"+w.results()+"*"))
	g = g.Combine(w.artifacts.GrantRead(grantee, w.results())).Combine(w.artifacts.GrantPut(grantee, w.results()))
	if len(databases) == 0 {
		return g
	}
	g = g.Combine(catalog.GrantRead(grantee, databases...))
	var buckets []string
	for _, db := range databases {
		buckets = append(buckets, db.Zone().BucketArn())
	}
	slices.Sort(buckets)
	return g.Combine(allow([]string{"s3:GetBucketLocation"}, slices.Compact(buckets)...))
}
