// Package handler makes the library's Lambda functions: each with a role of its own that holds nothing but what is
// granted, and a log group that the caller owns.
package handler

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/asset"
	"github.com/strata-cdk/strata/constructs/internal/conv"
	"github.com/strata-cdk/strata/lambda/contract"
)

// Props configures a function.
type Props struct {
	// Name is the handler's name in contract.Environment, which lists the variables it needs.
	Name string
	// Description says what the function does.
	Description string
	// Environment holds exactly the variables the handler reads.
	Environment map[string]string
	// Timeout is in whole seconds, Memory in MiB.
	Timeout time.Duration
	Memory  int
	// LogGroup receives the function's log.
	LogGroup awslogs.ILogGroup
}

// New makes the function with its role below scope. A variable that is missing or that the handler does not read is a
// fault of the library, not of its user, and panics.
func New(scope constructs.Construct, id string, props Props) awslambda.Function {
	want := slices.Sorted(slices.Values(contract.Environment[props.Name]))
	if got := slices.Sorted(maps.Keys(props.Environment)); !slices.Equal(got, want) {
		panic(fmt.Sprintf("handler %s: environment is %v, the handler reads %v", props.Name, got, want))
	}
	role := awsiam.NewRole(scope, jsii.String(id+"Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		Description: jsii.String(props.Description),
	})
	// The group's ARN attribute ends in the wildcard that stands for its streams.
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("logs:CreateLogStream", "logs:PutLogEvents"),
		Resources: &[]*string{props.LogGroup.LogGroupArn()},
	}))
	return asset.NewFunction(scope, id, asset.Handler(props.Name), &awslambda.FunctionProps{
		Description: jsii.String(props.Description),
		Environment: conv.StringMap(props.Environment),
		LogGroup:    props.LogGroup,
		MemorySize:  jsii.Number(float64(props.Memory)),
		Role:        role,
		Timeout:     conv.Duration(props.Timeout),
	})
}
