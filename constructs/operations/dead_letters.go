package operations

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// WatchDeadLetters adds an alarm per dead-letter queue that goes off as soon as a message waits there. Names are as in
// AlarmsProps.DeadLetters; queues are given here when their makers need the topic first.
func (a *Alarms) WatchDeadLetters(queues map[string]awssqs.IQueue) {
	var l check.List
	checkDeadLetters(&l, queues)
	check.Must(*a.Node().Path(), l.Err())
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		a.alarm(name+"Depth", "Messages that could not be handled wait in the dead-letter queue "+name+".", &awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/SQS"), MetricName: jsii.String("ApproximateNumberOfMessagesVisible"),
			Statistic:     jsii.String("Maximum"),
			DimensionsMap: &map[string]*string{"QueueName": queues[name].QueueName()},
		})
	}
}

func checkDeadLetters(l *check.List, queues map[string]awssqs.IQueue) {
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		path := check.Key("DeadLetters", name)
		if !pascalCase.MatchString(name) {
			l.Add(path, "is no name for an alarm", name, pascalCase.String())
		}
		if queues[name] == nil {
			l.Add(path, "is nil", nil, "a queue")
		}
	}
}
