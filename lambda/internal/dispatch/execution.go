package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// StepFunctions starts and describes executions.
type StepFunctions interface {
	StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
}

// Executions are the executions of the pipeline's state machine.
type Executions struct {
	Client       StepFunctions
	StateMachine string
}

// Execution is what an execution was given and what has become of it.
type Execution struct {
	Status, Input, Error, Cause string
}

// ARN is the ARN an execution of this name has, started or not.
func (e Executions) ARN(name string) string {
	return strings.Replace(e.StateMachine, ":stateMachine:", ":execution:", 1) + ":" + name
}

// Describe returns an execution; found is false if it was never started.
func (e Executions) Describe(ctx context.Context, arn string) (x Execution, found bool, err error) {
	out, err := e.Client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	var missing *types.ExecutionDoesNotExist
	if errors.As(err, &missing) {
		return Execution{}, false, nil
	}
	if err != nil {
		return Execution{}, false, fmt.Errorf("describe execution %s: %w", arn, err)
	}
	return Execution{Status: string(out.Status), Input: aws.ToString(out.Input), Error: aws.ToString(out.Error),
		Cause: aws.ToString(out.Cause)}, true, nil
}

// Start starts an execution. One of the same name and input counts as this one, whatever has become of it; taken says
// that the name belongs to an execution of another input.
func (e Executions) Start(ctx context.Context, name, input string) (taken bool, err error) {
	_, err = e.Client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &e.StateMachine, Name: &name, Input: &input})
	var exists *types.ExecutionAlreadyExists
	if errors.As(err, &exists) {
		x, found, err := e.Describe(ctx, e.ARN(name))
		if err != nil {
			return false, err
		}
		return !found || x.Input != input, nil
	}
	if err != nil {
		return false, fmt.Errorf("start execution %s: %w", name, err)
	}
	return false, nil
}
