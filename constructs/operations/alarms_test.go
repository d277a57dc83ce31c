package operations_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/operations"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

func arn(stack awscdk.Stack, service, resource string) *string {
	return jsii.String(fmt.Sprintf("arn:%s:%s:%s:%s:%s", *stack.Partition(), service, *stack.Region(), *stack.Account(), resource))
}

func queue(stack awscdk.Stack, name string) awssqs.IQueue {
	return awssqs.Queue_FromQueueArn(stack, jsii.String(name), arn(stack, "sqs", name))
}

func topic(stack awscdk.Stack) awssns.ITopic {
	return awssns.Topic_FromTopicArn(stack, jsii.String("Brought"), arn(stack, "sns", "mine"))
}

func publisher(stack awscdk.Stack, id string) awsiam.Role {
	return awsiam.NewRole(stack, jsii.String(id), &awsiam.RoleProps{AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil)})
}

func TestAlarms(t *testing.T) {
	stack := cdktest.NewStack(t)
	alarms := operations.NewAlarms(stack, "Alarms", &operations.AlarmsProps{Lake: "commerce", Emails: []string{"ops@example.org"},
		DeadLetters: map[string]awssqs.IQueue{"Notice": queue(stack, "notice-dlq"), "Dispatch": queue(stack, "dispatch-dlq")}})
	alarms.GrantPublish(publisher(stack, "Publisher"))
	operations.NewAlarms(stack, "Second", &operations.AlarmsProps{Lake: "other"})
	template := cdktest.Synth(t, stack)
	topicID := template.Named(t, "AWS::SNS::Topic", "Alarms").ID
	want := map[string]string{
		"AlarmsBlockedBatches": "Strata BlockedBatches Sum Lake=commerce", "AlarmsFailedBatches": "Strata FailedBatches Sum Lake=commerce",
		"AlarmsFailedDeliveries": "Strata FailedDeliveries Sum Lake=commerce",
		"AlarmsFailedRuns":       "Strata FailedRuns Sum Lake=commerce", "AlarmsUnreadableObjects": "Strata UnreadableObjects Sum Lake=commerce",
		"AlarmsUnroutableObjects": "Strata UnroutableObjects Sum Lake=commerce",
		"AlarmsNoticeDepth":       "AWS/SQS ApproximateNumberOfMessagesVisible Maximum QueueName=notice-dlq",
		"AlarmsDispatchDepth":     "AWS/SQS ApproximateNumberOfMessagesVisible Maximum QueueName=dispatch-dlq",
	}
	if n := len(template.Resources("AWS::CloudWatch::Alarm")); n != len(want)+6 {
		t.Errorf("want %d alarms, got %d", len(want)+6, n)
	}
	for id, metric := range want {
		p := template.Named(t, "AWS::CloudWatch::Alarm", id).Properties()
		dimension := p["Dimensions"].([]any)[0].(map[string]any)
		got := fmt.Sprintf("%s %s %s %s=%s", p["Namespace"], p["MetricName"], p["Statistic"], dimension["Name"], policytest.Flatten(dimension["Value"]))
		prefix, value, _ := strings.Cut(metric, "=")
		if !strings.HasPrefix(got, prefix+"=") || !strings.Contains(got, value) {
			t.Errorf("%s: want %s, got %s", id, metric, got)
		}
		if p["TreatMissingData"] != "notBreaching" || p["Threshold"] != 0.0 || p["ComparisonOperator"] != "GreaterThanThreshold" ||
			p["Period"] != 300.0 || policytest.Flatten(p["AlarmActions"].([]any)[0]) != "${"+topicID+"}" || p["AlarmDescription"] == nil {
			t.Errorf("%s: got %s", id, cdktest.JSON(p))
		}
	}
	if p := template.One(t, "AWS::SNS::Subscription").Properties(); p["Protocol"] != "email" || p["Endpoint"] != "ops@example.org" {
		t.Errorf("got %s", cdktest.JSON(p))
	}
	key := "${" + template.Named(t, "AWS::KMS::Key", "Alarms").ID + ".Arn}"
	if err := policytest.Equal(policytest.Statements(template, "AWS::IAM::Policy", "Publisher"), []string{
		"Allow kms:Decrypt kms:GenerateDataKey on " + key, "Allow sns:Publish on ${" + topicID + "}"}); err != nil {
		t.Error(err)
	}
	if err := policytest.Equal(policytest.Statements(template, "AWS::SNS::TopicPolicy", "Alarms"), []string{
		"Allow sns:Publish on ${" + topicID + "} by Service cloudwatch.amazonaws.com if aws:SourceAccount StringEquals ${AWS::AccountId}" +
			" and aws:SourceArn ArnLike arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*",
		"Deny sns:Publish on ${" + topicID + "} by * if aws:SecureTransport Bool false"}); err != nil {
		t.Error(err)
	}
	if lines := policytest.Statements(template, "AWS::KMS::Key", "Alarms"); len(lines) != 2 {
		t.Errorf("want the account and the alarms on the key, got %q", lines)
	}
	for _, found := range [][]string{policytest.Wildcards(template), policytest.Literals(template), policytest.Nag(stack)} {
		if len(found) > 0 {
			t.Errorf("unwanted: %s", strings.Join(found, "\n"))
		}
	}
}

func TestBroughtTopic(t *testing.T) {
	stack := cdktest.NewStack(t)
	alarms := operations.NewAlarms(stack, "Alarms", &operations.AlarmsProps{Lake: "commerce", Topic: topic(stack)})
	alarms.GrantPublish(publisher(stack, "Publisher"))
	template := cdktest.Synth(t, stack)
	if len(template.Resources("AWS::SNS::Topic"))+len(template.Resources("AWS::KMS::Key"))+len(template.Resources("AWS::SNS::TopicPolicy")) != 0 {
		t.Error("want a topic that is brought left alone")
	}
	if err := policytest.Equal(policytest.Statements(template, "AWS::IAM::Policy", "Publisher"), []string{
		"Allow sns:Publish on arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:mine"}); err != nil {
		t.Error(err)
	}
}

func TestWatchDeadLetters(t *testing.T) {
	stack := cdktest.NewStack(t)
	alarms := operations.NewAlarms(stack, "Alarms", &operations.AlarmsProps{Lake: "commerce"})
	alarms.WatchDeadLetters(map[string]awssqs.IQueue{"Late": queue(stack, "late")})
	err := cdktest.Rejected(t, func() { alarms.WatchDeadLetters(map[string]awssqs.IQueue{"late one": queue(stack, "other")}) })
	if !strings.Contains(err.Error(), `DeadLetters["late one"]: is no name for an alarm`) {
		t.Errorf("got %v", err)
	}
	if n := len(cdktest.Synth(t, stack).Resources("AWS::CloudWatch::Alarm")); n != 7 {
		t.Errorf("want one alarm more, got %d", n)
	}
}

func TestRejection(t *testing.T) {
	err := cdktest.Rejected(t, func() { operations.NewAlarms(cdktest.NewStack(t), "Bad", nil) })
	if !strings.Contains(err.Error(), "1 problem at Test/Bad") {
		t.Errorf("want the construct path, got %v", err)
	}
}

func TestPropsChangeTheTemplate(t *testing.T) {
	variants := []func(awscdk.Stack, *operations.AlarmsProps){
		func(awscdk.Stack, *operations.AlarmsProps) {},
		func(_ awscdk.Stack, p *operations.AlarmsProps) { p.Lake = "other" },
		func(s awscdk.Stack, p *operations.AlarmsProps) { p.Topic = topic(s) },
		func(s awscdk.Stack, p *operations.AlarmsProps) {
			p.Key = awskms.Key_FromKeyArn(s, jsii.String("K"), arn(s, "kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"))
		},
		func(s awscdk.Stack, p *operations.AlarmsProps) {
			p.DeadLetters = map[string]awssqs.IQueue{"A": queue(s, "a")}
		},
		func(_ awscdk.Stack, p *operations.AlarmsProps) { p.Emails = []string{"a@b.org"} },
		func(_ awscdk.Stack, p *operations.AlarmsProps) {
			p.Configure = func(t *awssns.TopicProps) { t.DisplayName = jsii.String("mine") }
		},
	}
	render := func(change func(awscdk.Stack, *operations.AlarmsProps)) string {
		stack := cdktest.NewStack(t)
		p := &operations.AlarmsProps{Lake: "commerce"}
		change(stack, p)
		operations.NewAlarms(stack, "X", p)
		return cdktest.JSON(cdktest.Synth(t, stack))
	}
	seen := map[string]int{}
	for i, change := range variants {
		text := render(change)
		if first, again := seen[text]; again {
			t.Errorf("variants %d and %d make the same template", first, i)
		}
		seen[text] = i
	}
	if render(func(_ awscdk.Stack, p *operations.AlarmsProps) {
		p.Configure = func(t *awssns.TopicProps) { t.EnforceSSL, t.MasterKey = jsii.Bool(false), nil }
	}) != render(variants[0]) {
		t.Error("Configure undid something")
	}
}
