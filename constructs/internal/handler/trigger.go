package handler

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/queue"
)

// OnSchedule invokes function with input at a fixed rate, in whole minutes from one. A tick that cannot be delivered is
// not kept: the next one does its work.
func OnSchedule(scope constructs.Construct, id string, function awslambda.Function, every time.Duration, input any) {
	text, err := json.Marshal(input)
	if err != nil {
		panic(fmt.Errorf("schedule %s: %w", id, err))
	}
	rule := awsevents.NewCfnRule(scope, jsii.String(id), &awsevents.CfnRuleProps{
		ScheduleExpression: jsii.String(rate(every)),
		State:              jsii.String("ENABLED"),
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String("Function"), Arn: function.FunctionArn(), Input: jsii.String(string(text)),
		}},
	})
	admit(function, id, rule)
}

// StartOnSchedule starts executions of a state machine with input at a fixed rate, in whole minutes from one. A tick that
// cannot be delivered is not kept: the next one does its work.
func StartOnSchedule(scope constructs.Construct, id string, machine *string, every time.Duration, input any) {
	text, err := json.Marshal(input)
	if err != nil {
		panic(fmt.Errorf("schedule %s: %w", id, err))
	}
	role := awsiam.NewRole(scope, jsii.String(id+"Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil),
		Description: jsii.String("Starts a state machine on a schedule"),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("states:StartExecution"), Resources: &[]*string{machine},
	}))
	awsevents.NewCfnRule(scope, jsii.String(id), &awsevents.CfnRuleProps{
		ScheduleExpression: jsii.String(rate(every)),
		State:              jsii.String("ENABLED"),
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String("StateMachine"), Arn: machine, RoleArn: role.RoleArn(), Input: jsii.String(string(text)),
		}},
	})
}

// rate is the interval as EventBridge writes it, which has a singular of its own.
func rate(every time.Duration) string {
	minutes := int(every / time.Minute)
	if minutes == 1 {
		return "rate(1 minute)"
	}
	return fmt.Sprintf("rate(%d minutes)", minutes)
}

// OnEvent invokes function with every event that matches pattern. Events that cannot be delivered, and those the
// function fails on three times, go to the dead-letter queue of dead.
func OnEvent(scope constructs.Construct, id string, function awslambda.Function, pattern map[string]any, dead *queue.Queue) {
	rule := awsevents.NewCfnRule(scope, jsii.String(id), &awsevents.CfnRuleProps{
		EventPattern: pattern,
		State:        jsii.String("ENABLED"),
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String("Function"), Arn: function.FunctionArn(),
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: dead.Main.QueueArn()},
		}},
	})
	admit(function, id, rule)
	queue.AdmitRule(dead.Main, rule.AttrArn())
	dead.GrantSend(function)
	function.Node().DefaultChild().(awslambda.CfnFunction).SetDeadLetterConfig(
		&awslambda.CfnFunction_DeadLetterConfigProperty{TargetArn: dead.Main.QueueArn()})
}

func admit(function awslambda.Function, id string, rule awsevents.CfnRule) {
	function.AddPermission(jsii.String(id), &awslambda.Permission{
		Principal: awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil),
		Action:    jsii.String("lambda:InvokeFunction"),
		SourceArn: rule.AttrArn(),
	})
}

// InvokeCommand is the line by which an operator invokes a function with a payload and sees its answer.
func InvokeCommand(function, payload string) string {
	return fmt.Sprintf("aws lambda invoke --function-name %s --cli-binary-format raw-in-base64-out --payload '%s' /dev/stdout", function, payload)
}
