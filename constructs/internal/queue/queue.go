// Package queue makes the lake's queues: encrypted under a customer key, TLS only, each with a dead-letter queue.
package queue

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/conv"
)

// maxReceives is how often a message is tried before it goes to the dead-letter queue. Lambda asks for five at least,
// since throttled receives count too.
const maxReceives = 5

// Props configures a queue. Durations are in whole seconds.
type Props struct {
	// Key encrypts the messages.
	Key awskms.IKey
	// FIFO keeps the order within a message group and drops repeated deduplication ids.
	FIFO bool
	// Delay hides each message for so long after it was sent, at most 15 minutes.
	Delay time.Duration
	// ConsumerTimeout is the timeout of the function that reads the queue; messages stay hidden six times as long, as
	// Lambda recommends.
	ConsumerTimeout time.Duration
}

// Queue is a queue and its dead-letter queue.
type Queue struct {
	// Main receives the messages, Dead those that could not be handled.
	Main, Dead awssqs.Queue
	key        awskms.IKey
}

// New makes the two queues below scope.
func New(scope constructs.Construct, id string, props Props) *Queue {
	dead := awssqs.NewQueue(scope, jsii.String(id+"DeadLetters"), base(props.Key, props.FIFO))
	p := base(props.Key, props.FIFO)
	p.DeliveryDelay = conv.Duration(props.Delay)
	p.VisibilityTimeout = conv.Duration(6 * props.ConsumerTimeout)
	p.DeadLetterQueue = &awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(maxReceives)}
	return &Queue{Main: awssqs.NewQueue(scope, jsii.String(id), p), Dead: dead, key: props.Key}
}

// NewDeadLetters makes a queue for what EventBridge and Lambda could not deliver. It has no dead-letter queue itself.
func NewDeadLetters(scope constructs.Construct, id string, key awskms.IKey) *Queue {
	return &Queue{Main: awssqs.NewQueue(scope, jsii.String(id), base(key, false)), key: key}
}

func base(key awskms.IKey, fifo bool) *awssqs.QueueProps {
	q := &awssqs.QueueProps{
		Encryption: awssqs.QueueEncryption_KMS, EncryptionMasterKey: key, EnforceSSL: jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	}
	if fifo {
		q.Fifo = jsii.Bool(true)
	}
	return q
}

// GrantSend lets grantee send messages. The L2 grant uses wildcard key actions.
func (q *Queue) GrantSend(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("sqs:SendMessage"), ResourceArns: &[]*string{q.Main.QueueArn()},
	}).Combine(q.key.Grant(grantee, jsii.String("kms:Decrypt"), jsii.String("kms:GenerateDataKey")))
}

// Feed makes function read the queue in batches of at most size messages, waiting up to window for one to fill, with
// partial failures reported. window is in whole seconds; FIFO queues take none. concurrency bounds the invocations at
// one time, from 2; zero leaves them unbounded.
func (q *Queue) Feed(function awslambda.Function, id string, size int, window time.Duration, concurrency int) {
	role := function.GrantPrincipal()
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: role, Actions: jsii.Strings("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
		ResourceArns: &[]*string{q.Main.QueueArn()},
	})
	q.key.Grant(role, jsii.String("kms:Decrypt"))
	p := &awslambda.EventSourceMappingProps{
		Target: function, EventSourceArn: q.Main.QueueArn(), BatchSize: jsii.Number(float64(size)),
		MaxBatchingWindow: conv.Duration(window), ReportBatchItemFailures: jsii.Bool(true),
	}
	if concurrency > 0 {
		p.MaxConcurrency = jsii.Number(float64(concurrency))
	}
	awslambda.NewEventSourceMapping(function, jsii.String(id), p)
}

// RedriveCommand is the line by which an operator moves what could not be handled back to the queue.
func (q *Queue) RedriveCommand() string {
	return "aws sqs start-message-move-task --source-arn " + *q.Dead.QueueArn() + " --destination-arn " + *q.Main.QueueArn()
}

// AdmitRule lets an EventBridge rule send to queue. The key's policy has to admit EventBridge as well.
func AdmitRule(queue awssqs.Queue, ruleArn *string) {
	queue.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sqs:SendMessage"),
		Resources:  &[]*string{queue.QueueArn()},
		Conditions: &map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": ruleArn}},
	}))
}
