package operations_test

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/operations"
)

func TestAlarmsProps(t *testing.T) {
	type props = operations.AlarmsProps
	cdktest.Effects(t,
		func(awscdk.Stack) props { return props{Lake: "shop"} },
		func(stack awscdk.Stack, p *props) { operations.NewAlarms(stack, "Alarms", p) },
		cdktest.Changes[props]{
			"Lake":  {},
			"Topic": {Do: func(s awscdk.Stack, p *props) { p.Topic = topic(s) }},
			"Key": {Do: func(s awscdk.Stack, p *props) {
				p.Key = awskms.Key_FromKeyArn(s, jsii.String("Own"), arn(s, "kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"))
			}},
			"DeadLetters": {Do: func(s awscdk.Stack, p *props) { p.DeadLetters = map[string]awssqs.IQueue{"Notice": queue(s, "dlq")} }},
			"Emails":      {Do: func(_ awscdk.Stack, p *props) { p.Emails = []string{"ops@example.org"} }},
			"Configure": {Do: func(_ awscdk.Stack, p *props) {
				p.Configure = func(t *awssns.TopicProps) { t.DisplayName = jsii.String("mine") }
			}},
		})
}
