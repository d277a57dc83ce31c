// Package operations tells people what needs their attention: the alarm topic and the alarms on what the lake reports.
package operations

import (
	"fmt"
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/lambda/contract"
)

// AlarmsProps configures topic and alarms.
type AlarmsProps struct {
	// Lake is the lake's name, the dimension of its metrics.
	Lake string
	// Topic receives the alarms. A topic that is brought must admit CloudWatch alarms of the account, its key too.
	// Default: a new topic under Key.
	Topic awssns.ITopic
	// Key encrypts the new topic. A key that is brought must admit security.AlarmsToTopics.
	// Default: a new key, 1 USD a month. Refused together with Topic.
	Key awskms.IKey
	// DeadLetters are the dead-letter queues to watch, by a name in PascalCase that becomes part of the alarm's id.
	// Default: none.
	DeadLetters map[string]awssqs.IQueue
	// Emails are addresses subscribed to the new topic; each has to confirm. Refused together with Topic.
	// Default: none.
	Emails []string
	// Configure changes the topic's properties after the defaults are set. The key and TLS stay as they are here.
	// Refused together with Topic.
	// Default: nothing is changed.
	Configure func(*awssns.TopicProps)
}

var (
	lakeName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)
	pascalCase = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	address    = regexp.MustCompile(`^[^@\s/]+@[^@\s/]+\.[^@\s/]+$`)
)

// Validate reports every problem of the props.
func (p *AlarmsProps) Validate() error {
	var l check.List
	if p == nil {
		p = &AlarmsProps{}
	}
	if !check.Unresolved(p.Lake) && !lakeName.MatchString(p.Lake) {
		l.Add("Lake", "is no lake name", p.Lake, lakeName.String())
	}
	checkDeadLetters(&l, p.DeadLetters)
	seen := map[string]bool{}
	for i, e := range p.Emails {
		switch {
		case check.Unresolved(e):
		case !address.MatchString(e):
			l.Add(check.Index("Emails", i), "is no e-mail address", e, "name@example.org")
		case seen[e]:
			l.Add(check.Index("Emails", i), "is there twice", e, "each address once")
		}
		seen[e] = true
	}
	if p.Topic != nil {
		refuse := func(path string, set bool) {
			if set {
				l.Add(path, "has no effect on a topic that is brought", nil, "leave it out, or leave out Topic")
			}
		}
		refuse("Key", p.Key != nil)
		refuse("Emails", len(p.Emails) > 0)
		refuse("Configure", p.Configure != nil)
	}
	return l.Err()
}

// Alarms is the topic and the alarms on what the lake reports about itself. An alarm costs 0.10 USD a month (list
// price), six of them and one per dead-letter queue; the topic costs nothing while silent.
type Alarms struct {
	constructs.Construct
	topic awssns.ITopic
	key   awskms.IKey
}

var _ catalog.Alarms = (*Alarms)(nil)

// NewAlarms makes topic and alarms.
func NewAlarms(scope constructs.Construct, id string, props *AlarmsProps) *Alarms {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	a := &Alarms{}
	constructs.NewConstruct_Override(a, scope, jsii.String(id))
	a.topic = props.Topic
	if a.topic == nil {
		a.newTopic(props)
	}
	for _, m := range lakeMetrics {
		a.alarm(m.name, m.doc, &awscloudwatch.MetricProps{
			Namespace: jsii.String(contract.MetricNamespace), MetricName: jsii.String(m.name), Statistic: jsii.String("Sum"),
			DimensionsMap: &map[string]*string{contract.LakeDimension: jsii.String(props.Lake)},
		})
	}
	a.WatchDeadLetters(props.DeadLetters)
	return a
}

// lakeMetrics are the metrics the lake's functions emit, with what to do when one is above zero.
var lakeMetrics = []struct{ name, doc string }{
	{contract.BlockedBatches, "A gate blocked a batch: look at the named query failed_batches, then replay it."},
	{contract.FailedBatches, "A batch failed for good: look at the named query failed_batches, then replay it."},
	{contract.FailedDeliveries, "Records could not be delivered and lie in a source's error folder: put them back with the stack's redeliver command."},
	{contract.FailedRuns, "A pipeline run failed; its unfinished batches are tried again."},
	{contract.UnreadableObjects, "Objects of a batch could not be read: land them again, or replay the batch."},
	{contract.UnroutableObjects, "Objects landed under a prefix that no dataset claims: declare the dataset, then reconcile."},
}

// alarm goes off when the metric is above zero within five minutes.
func (a *Alarms) alarm(id, doc string, metric *awscloudwatch.MetricProps) {
	metric.Period = awscdk.Duration_Minutes(jsii.Number(5))
	a.Watch(a, id, &awscloudwatch.AlarmProps{AlarmDescription: jsii.String(doc), Metric: awscloudwatch.NewMetric(metric)})
}

// Watch makes an alarm below scope that publishes to the topic when it goes off. What props leave out: the alarm goes
// off above zero, after one period, and silence is health: missing data does not breach. props is not modified.
func (a *Alarms) Watch(scope constructs.Construct, id string, props *awscloudwatch.AlarmProps) {
	p := *props
	if p.Threshold == nil {
		p.Threshold = jsii.Number(0)
	}
	if p.ComparisonOperator == "" {
		p.ComparisonOperator = awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD
	}
	if p.EvaluationPeriods == nil {
		p.EvaluationPeriods = jsii.Number(1)
	}
	if p.TreatMissingData == "" {
		p.TreatMissingData = awscloudwatch.TreatMissingData_NOT_BREACHING
	}
	awscloudwatch.NewAlarm(scope, jsii.String(id), &p).AddAlarmAction(&topicAction{a.topic})
}

// topicAction is the alarm's action: to publish to the topic.
type topicAction struct{ topic awssns.ITopic }

var _ awscloudwatch.IAlarmAction = (*topicAction)(nil)

// Bind tells the alarm its action.
func (t *topicAction) Bind(constructs.Construct, awscloudwatch.IAlarm) *awscloudwatch.AlarmActionConfig {
	return &awscloudwatch.AlarmActionConfig{AlarmActionArn: t.topic.TopicArn()}
}

func (a *Alarms) newTopic(props *AlarmsProps) {
	a.key = security.NewKeyFor(a, "Key", props.Key, &security.KeyProps{
		Description: "Strata alarms", Services: []security.ServiceUse{security.AlarmsToTopics},
	})
	tp := &awssns.TopicProps{DisplayName: jsii.String("Data lake " + props.Lake)}
	if props.Configure != nil {
		props.Configure(tp)
	}
	tp.MasterKey = a.key
	tp.EnforceSSL = jsii.Bool(true)
	topic := awssns.NewTopic(a, jsii.String("Topic"), tp)
	stack := awscdk.Stack_Of(a)
	// A topic policy replaces the default one, under which the account's alarms could publish.
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AlarmsOfThisAccount"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: &map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()},
			"ArnLike": map[string]any{"aws:SourceArn": fmt.Sprintf("arn:%s:cloudwatch:%s:%s:alarm:*",
				*stack.Partition(), *stack.Region(), *stack.Account())},
		},
	}))
	for _, e := range props.Emails {
		awssns.NewSubscription(a, jsii.String("Email-"+e), &awssns.SubscriptionProps{
			Topic: topic, Protocol: awssns.SubscriptionProtocol_EMAIL, Endpoint: jsii.String(e),
		})
	}
	a.topic = topic
}

// Topic is the topic that receives the alarms.
func (a *Alarms) Topic() awssns.ITopic { return a.topic }

// GrantPublish lets grantee publish to the topic, its key included. Of a topic that was brought, the key is its owner's
// to grant.
func (a *Alarms) GrantPublish(grantee awsiam.IGrantable) awsiam.Grant {
	g := awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("sns:Publish"), ResourceArns: &[]*string{a.topic.TopicArn()},
	})
	if a.key != nil {
		g = g.Combine(security.GrantEncrypt(a.key, grantee))
	}
	return g
}
