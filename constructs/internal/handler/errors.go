package handler

import (
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/conv"
)

// ErrorsAlarm goes off when function has failed at least twice within a period: it crashed, timed out, or returned an
// error. It is for functions that a schedule invokes: nothing keeps an event of theirs that failed, or tells of it. A
// first failure is Lambda's to try again, one minute later and then two more. The period, whole minutes that CloudWatch
// has, is long enough for all three tries to begin within it, so at least two of them fall into one period.
func ErrorsAlarm(function awslambda.IFunction, within time.Duration, what string) *awscloudwatch.AlarmProps {
	return &awscloudwatch.AlarmProps{
		AlarmDescription: jsii.String(fmt.Sprintf("%s again and again: look at the function's log. The next tick of its schedule tries anew.", what)),
		Threshold:        jsii.Number(1),
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/Lambda"), MetricName: jsii.String("Errors"), Statistic: jsii.String("Sum"),
			DimensionsMap: &map[string]*string{"FunctionName": function.FunctionName()}, Period: conv.Duration(within),
		}),
	}
}
