package security

import (
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// ServiceUse names a way in which an AWS service uses a customer key in its own name. Services that are not listed need
// no statement: S3, DynamoDB, Lambda, Glue, Athena and Secrets Manager use a key with the permissions of their caller or
// role, so the grants of the constructs are enough.
type ServiceUse string

// The ways in which AWS services use a customer key.
const (
	// EventsToQueues is EventBridge sending to a queue under the key, as a rule's target or dead-letter queue.
	EventsToQueues ServiceUse = "EventsToQueues"
	// EventsToTopics is EventBridge publishing to a topic under the key.
	EventsToTopics ServiceUse = "EventsToTopics"
	// AlarmsToTopics is a CloudWatch alarm publishing to a topic under the key.
	AlarmsToTopics ServiceUse = "AlarmsToTopics"
	// TopicsToQueues is SNS sending to a subscribed queue under the key.
	TopicsToQueues ServiceUse = "TopicsToQueues"
	// BucketsToQueues is S3 sending its event notifications to a queue under the key.
	BucketsToQueues ServiceUse = "BucketsToQueues"
	// LogGroups is CloudWatch Logs storing log groups under the key, those of Glue and Lambda included.
	LogGroups ServiceUse = "LogGroups"
	// StateMachineLogs is the log delivery of a state machine that is itself encrypted under the key.
	StateMachineLogs ServiceUse = "StateMachineLogs"
)

// arnPattern is an ARN of the stack's own account and region.
type arnPattern struct{ service, resource string }

// serviceUse is one row of the table: who may do what with the key, and under which conditions. Only conditions that
// the service is documented to send are set, since any other makes every call fail.
type serviceUse struct {
	principal string
	// regional principals are named per region: logs.<region>.<suffix>.
	regional      bool
	actions       []string
	sourceAccount bool
	// sourceArn is the pattern aws:SourceArn has to match; globalArn the same for resources without account and region.
	sourceArn, globalArn *arnPattern
	// context is the encryption context the service binds the call to: key to ARN pattern.
	context map[string]arnPattern
}

var (
	toQueue  = map[string]arnPattern{"aws:sqs:arn": {"sqs", "*"}}
	toTopic  = map[string]arnPattern{"aws:sns:topicArn": {"sns", "*"}}
	envelope = []string{"kms:Decrypt", "kms:GenerateDataKey"}
)

var serviceUses = map[ServiceUse]serviceUse{
	EventsToQueues: {principal: "events.amazonaws.com", actions: envelope, sourceAccount: true, context: toQueue},
	// SNS documents that the source keys are not supported in key policies for EventBridge: delivery would fail silently.
	EventsToTopics: {principal: "events.amazonaws.com", actions: envelope, context: toTopic},
	AlarmsToTopics: {principal: "cloudwatch.amazonaws.com", actions: envelope, sourceAccount: true,
		sourceArn: &arnPattern{"cloudwatch", "alarm:*"}, context: toTopic},
	TopicsToQueues: {principal: "sns.amazonaws.com", actions: envelope, sourceAccount: true,
		sourceArn: &arnPattern{"sns", "*"}, context: toQueue},
	BucketsToQueues: {principal: "s3.amazonaws.com", actions: envelope, sourceAccount: true,
		globalArn: &arnPattern{"s3", "*"}, context: toQueue},
	LogGroups: {principal: "logs", regional: true,
		actions: []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
			"kms:ReEncryptFrom", "kms:ReEncryptTo"},
		context: map[string]arnPattern{"aws:logs:arn": {"logs", "log-group:*"}}},
	StateMachineLogs: {principal: "delivery.logs.amazonaws.com", actions: envelope,
		context: map[string]arnPattern{"SourceArn": {"logs", "*"}}},
}

// AllowServices adds one statement per use to the key's policy. It has no effect on an imported key, whose policy the
// stack does not own. An unknown use panics.
func AllowServices(key awskms.Key, uses ...ServiceUse) {
	stack := awscdk.Stack_Of(key)
	for _, use := range uses {
		row, ok := serviceUses[use]
		if !ok {
			panic(fmt.Sprintf("security.AllowServices: unknown use %q; allowed: %q", use, slices.Sorted(maps.Keys(serviceUses))))
		}
		key.AddToResourcePolicy(row.statement(stack, string(use)), jsii.Bool(true))
	}
}

func (u serviceUse) statement(stack awscdk.Stack, sid string) awsiam.PolicyStatement {
	conditions := map[string]any{}
	if u.sourceAccount {
		conditions["StringEquals"] = map[string]any{"aws:SourceAccount": stack.Account()}
	}
	like := map[string]any{}
	if u.sourceArn != nil {
		like["aws:SourceArn"] = u.sourceArn.in(stack)
	}
	if u.globalArn != nil {
		like["aws:SourceArn"] = fmt.Sprintf("arn:%s:%s:::%s", *stack.Partition(), u.globalArn.service, u.globalArn.resource)
	}
	for name, arn := range u.context {
		like["kms:EncryptionContext:"+name] = arn.in(stack)
	}
	conditions["ArnLike"] = like
	name := u.principal
	if u.regional {
		name = fmt.Sprintf("%s.%s.%s", u.principal, *stack.Region(), *stack.UrlSuffix())
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String(sid),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String(name), nil)},
		Actions:    jsii.Strings(u.actions...),
		Resources:  jsii.Strings("*"),
		Conditions: &conditions,
	})
}

func (a arnPattern) in(stack awscdk.Stack) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", *stack.Partition(), a.service, *stack.Region(), *stack.Account(), a.resource)
}
