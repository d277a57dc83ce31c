package security

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// AllowDeletionContext is the context flag that, together with a construct's AllowDeletion prop, lets CloudFormation
// delete what holds data: cdk destroy -c strata:allow-deletion=true.
const AllowDeletionContext = "strata:allow-deletion"

// RemovalPolicy is the two-key deletion guard of everything that holds data: Destroy only if the prop allows it and the
// context flag is true, else Retain. A prop without the flag adds one warning to the stack, so that nobody is surprised
// by what remains. A bucket must also be empty before CloudFormation can delete it.
func RemovalPolicy(scope constructs.Construct, allowDeletion bool) awscdk.RemovalPolicy {
	if !allowDeletion {
		return awscdk.RemovalPolicy_RETAIN
	}
	if contextFlag(scope, AllowDeletionContext) {
		return awscdk.RemovalPolicy_DESTROY
	}
	// The same warning on the same node is kept once, however many resources of the stack ask.
	awscdk.Annotations_Of(awscdk.Stack_Of(scope)).AddWarningV2(jsii.String(AllowDeletionContext), jsii.String(fmt.Sprintf(
		"AllowDeletion is set, but the context flag %s is not: what holds data is retained. Pass -c %s=true to delete it with the stack.",
		AllowDeletionContext, AllowDeletionContext)))
	return awscdk.RemovalPolicy_RETAIN
}

func contextFlag(scope constructs.Construct, name string) bool {
	switch v := scope.Node().TryGetContext(jsii.String(name)).(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}
