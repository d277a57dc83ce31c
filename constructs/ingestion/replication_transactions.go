package ingestion

import (
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/internal/queue"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/lambda/contract"
)

const (
	splitTimeout = 5 * time.Minute
	splitEvery   = 15 * time.Minute
	// Three tries that time out begin within it.
	splitErrorsWithin = 15 * time.Minute

	// A function holds the open parts of one file at a time, 8 MiB for each table at most, and one record.
	splitMemory      = 1024
	splitBatch       = 1
	splitConcurrency = 5
)

// newSplit makes what hands the records of transaction files to the datasets of their tables: a rule and a queue, so that
// each file is split as it lands, and a schedule for those whose event was lost and for those that could not be handed on
// under an earlier declaration.
func (d *DatabaseReplication) newSplit() {
	if !d.props.PreserveTransactions {
		return
	}
	p := &d.props
	environment := map[string]string{
		contract.Lake: p.Manifest.Manifest().Lake, contract.LedgerTable: p.Ledger.TableName(), contract.RawBucket: p.Raw.BucketName(),
		contract.SourcePrefix: Folder(d.id),
	}
	maps.Copy(environment, p.Manifest.Environment())
	d.split = handler.New(d, "Split", handler.Props{
		Name:        "split",
		Description: "Hands the records of transaction files of the source " + d.id + " to their datasets",
		Environment: environment,
		Timeout:     splitTimeout, Memory: splitMemory,
		LogGroup: security.NewLogGroup(d, "SplitLog", &security.LogGroupProps{
			Key: p.Key, Retention: p.LogRetention, AllowDeletion: p.AllowDeletion,
		}),
	})
	var files, tables []string
	for g := max(1, p.generation()-retiredGenerations); g <= p.generation(); g++ {
		files = append(files, generationFolder(d.id, g)+contract.TransactionsFolder+"/")
		tables = append(tables, generationFolder(d.id, g)+p.schema()+"/")
	}
	p.Manifest.GrantRead(d.split)
	p.Ledger.Grant(d.split, catalog.Split)
	p.Raw.GrantReadVersions(d.split, files...)
	p.Raw.GrantPut(d.split, tables...)
	q := queue.New(d, "Transactions", queue.Props{Key: p.Key, ConsumerTimeout: splitTimeout})
	d.redrive = append(d.redrive, q.RedriveCommand())
	d.listen(q, files)
	q.Feed(d.split, "Queue", splitBatch, 0, splitConcurrency)
	handler.OnSchedule(d, "SplitSweep", d.split, splitEvery, map[string]string{"action": contract.ActionSplit})
	d.watchSplit(q)
	awscdk.NewCfnOutput(d, jsii.String("SplitCommand"), &awscdk.CfnOutputProps{
		Description: jsii.String("Tries all transaction files again that could not be handed on to their datasets; one alone: key, version"),
		Value:       jsii.String(handler.InvokeCommand(*d.split.FunctionName(), `{"action":"`+contract.ActionSplit+`","failed":true}`))})
}

// listen sends the arrivals of transaction files to the queue.
func (d *DatabaseReplication) listen(q *queue.Queue, prefixes []string) {
	keys := make([]map[string]string, len(prefixes))
	for i, p := range prefixes {
		keys[i] = map[string]string{"prefix": p}
	}
	rule := awsevents.NewCfnRule(d, jsii.String("TransactionsLanded"), &awsevents.CfnRuleProps{
		Description: jsii.String("Transaction files of the source " + d.id),
		EventPattern: map[string]any{
			"source":      []string{contract.SourceS3},
			"detail-type": []string{contract.ObjectCreated},
			"detail": map[string]any{"bucket": map[string]any{"name": []string{d.props.Raw.BucketName()}},
				"object": map[string]any{"key": keys}},
		},
		State: jsii.String("ENABLED"),
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String("Queue"), Arn: q.Main.QueueArn(),
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: q.Dead.QueueArn()},
		}},
	})
	queue.AdmitRule(q.Main, rule.AttrArn())
	queue.AdmitRule(q.Dead, rule.AttrArn())
}

// watchSplit alarms on files that are not handed on.
func (d *DatabaseReplication) watchSplit(q *queue.Queue) {
	period := awscdk.Duration_Minutes(jsii.Number(5))
	d.props.Alarms.Watch(d, contract.UnsplitTransactions, &awscloudwatch.AlarmProps{
		AlarmDescription: jsii.String(fmt.Sprintf("Transaction files of %s could not be handed on to their datasets whole: the function's log says which and why.", d.id)),
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String(contract.MetricNamespace),
			MetricName: jsii.String(contract.UnsplitTransactions), Statistic: jsii.String("Sum"), Period: period,
			DimensionsMap: &map[string]*string{contract.LakeDimension: jsii.String(d.props.Manifest.Manifest().Lake)}})})
	d.props.Alarms.Watch(d, "TransactionsUnhandled", &awscloudwatch.AlarmProps{
		AlarmDescription: jsii.String("Events of transaction files could not be handled; the files are found by the next sweep: look at the function's log."),
		Metric: q.Dead.MetricApproximateNumberOfMessagesVisible(&awscloudwatch.MetricOptions{
			Statistic: jsii.String("Maximum"), Period: period})})
	d.props.Alarms.Watch(d, "SplitErrors", handler.ErrorsAlarm(d.split, splitErrorsWithin,
		fmt.Sprintf("The function that hands on transaction files of %s fails", d.id)))
}

// RedriveCommands are the lines by which an operator has events of transaction files handled again that could not be.
func (d *DatabaseReplication) RedriveCommands() []string { return d.redrive }
