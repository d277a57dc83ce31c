package processing

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/conv"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/lambda/contract"
)

// queueing is added to the jobs' timeouts for starts that wait and for the recording steps.
const queueing = time.Hour

// machine is a state machine with the role it acts under.
type machine struct {
	arn      string
	resource awsstepfunctions.CfnStateMachine
	role     awsiam.Role
}

// watchEnds makes the alarms on executions that fail and that run out of time.
func (m *machine) watchEnds(scope constructs.Construct, alarms catalog.Alarms, failed, timedOut, description string) {
	m.watch(scope, alarms, failed, "ExecutionsFailed", description)
	m.watch(scope, alarms, timedOut, "ExecutionsTimedOut", description)
}

// watch makes the alarm id go off when executions end so, as the metric of AWS/States counts them.
func (m *machine) watch(scope constructs.Construct, alarms catalog.Alarms, id, metric, description string) {
	alarms.Watch(scope, id, &awscloudwatch.AlarmProps{
		AlarmDescription: jsii.String(description),
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/States"), MetricName: jsii.String(metric), Statistic: jsii.String("Sum"),
			DimensionsMap: &map[string]*string{"StateMachineArn": jsii.String(m.arn)}, Period: conv.Duration(5 * time.Minute),
		}),
	})
}

func (p *Pipeline) newMachine() *machine {
	timeout := p.props.JobTimeout + queueing
	substitutions := map[string]any{
		// Whole ARNs, since linters know a placeholder only where it is the whole value.
		"InvokeFunction": p.integration("lambda:invoke"),
		"RecordFunction": p.record.FunctionArn(),
		"RefineJob":      jsii.String(p.refine.Name()),
		"StartJobRun":    p.integration("glue:startJobRun.sync"),
	}
	if p.publish != nil {
		timeout += p.props.JobTimeout
		substitutions["PublishJob"] = jsii.String(p.publish.Name())
	}
	text, err := definition(p.publish != nil, timeout)
	check.Must(*p.Node().Path(), err)
	m := p.newStateMachine("Run", text, substitutions, "Runs the pipeline's state machine")
	invoke(p.record, m.role)
	p.refine.GrantStart(m.role)
	if p.publish != nil {
		p.publish.GrantStart(m.role)
	}
	handler.OnEvent(p, "Ended", p.record, map[string]any{
		"source":      []string{"aws.states"},
		"detail-type": []string{contract.ExecutionStatusChange},
		"detail": map[string]any{
			"stateMachineArn": []string{m.arn},
			"status":          []string{"FAILED", "ABORTED", "TIMED_OUT"},
		},
	}, p.undelivered)
	return m
}

func (p *Pipeline) newStateMachine(id, text string, substitutions map[string]any, what string) *machine {
	return newStateMachine(p, id, p.logGroup(id+"Log"), text, substitutions, what)
}

// newStateMachine makes a state machine with a log, and a role that may do nothing but write there.
func newStateMachine(
	scope constructs.Construct, id string, logs awslogs.ILogGroup, text string, substitutions map[string]any, what string,
) *machine {
	role := machineRole(scope, id+"Role", what)
	resource := awsstepfunctions.NewCfnStateMachine(scope, jsii.String(id), &awsstepfunctions.CfnStateMachineProps{
		RoleArn:                 role.RoleArn(),
		StateMachineType:        jsii.String("STANDARD"),
		DefinitionString:        jsii.String(text),
		DefinitionSubstitutions: &substitutions,
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level: jsii.String("ALL"), IncludeExecutionData: jsii.Bool(true),
			Destinations: &[]any{&awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{
					LogGroupArn: logs.LogGroupArn(),
				},
			}},
		},
		TracingConfiguration: &awsstepfunctions.CfnStateMachine_TracingConfigurationProperty{Enabled: jsii.Bool(true)},
	})
	// Step Functions checks that the role may write to the log when the state machine is made.
	resource.Node().AddDependency(role.Node().FindChild(jsii.String("DefaultPolicy")))
	return &machine{arn: *resource.Ref(), resource: resource, role: role}
}

func (p *Pipeline) integration(call string) *string { return integration(p, call) }

// integration is the ARN by which a task names an integrated service.
func integration(scope constructs.Construct, call string) *string {
	return jsii.String("arn:" + *awscdk.Stack_Of(scope).Partition() + ":states:::" + call)
}

func machineRole(scope constructs.Construct, id, what string) awsiam.Role {
	role := awsiam.NewRole(scope, jsii.String(id), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("states.amazonaws.com"), nil),
		Description: jsii.String(what),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(
			"logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
			"logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
			"xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"),
		Resources: jsii.Strings("*"),
	}))
	security.Accept(role, security.Finding{
		Rule: "AwsSolutions-IAM5", AppliesTo: []string{"Resource::*"},
		Reason: "CloudWatch Logs delivery and X-Ray offer no resource to name for these actions.",
	})
	return role
}

// grantStart lets grantee start executions of this machine and see whether one still runs. Executions are named when
// they start.
func (m *machine) grantStart(grantee awsiam.IGrantable) awsiam.Grant {
	executions := awscdk.Stack_Of(m.resource).FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("states"), Resource: jsii.String("execution"), ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
		ResourceName: jsii.String(*m.resource.AttrName() + ":*"),
	})
	g := awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("states:StartExecution"), ResourceArns: jsii.Strings(m.arn),
	}).Combine(awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("states:DescribeExecution"), ResourceArns: &[]*string{executions},
	}))
	security.AcceptGrant(grantee, security.Finding{
		Rule: "AwsSolutions-IAM5", AppliesTo: []string{`/^Resource::.*:execution:<[A-Za-z0-9]+\.Name>:\*$/g`},
		Reason: "Executions are named when they start; the statement ends at those of one state machine.",
	})
	return g
}
