package ingestion

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/lambda/contract"
)

// watch alarms on what the controller counts and on the lag that DMS measures.
func (d *DatabaseReplication) watch() {
	lake := map[string]*string{contract.LakeDimension: jsii.String(d.props.Manifest.Manifest().Lake)}
	says := fmt.Sprintf("%sStatusCommand of the stack's outputs says", d.id)
	for _, m := range []struct{ name, doc string }{
		{contract.ReplicationStopped, "A replication that should run does not; it is started again by itself, ever more rarely: " + says + " why and what to do."},
		{contract.ReplicationErrors, "A replication or its controller has failed: " + says + " why and what to do."},
		{contract.ReplicationTableErrors, "A table is not replicated any more, or its load stands still: " + says + " which and what to do."},
		{contract.UnexpectedLoads, "Files of a full load have come that belong to no known load; they are not merged: raise Generation."},
	} {
		d.props.Alarms.Watch(d, m.name, &awscloudwatch.AlarmProps{AlarmDescription: jsii.String(m.doc),
			Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String(contract.MetricNamespace), MetricName: jsii.String(m.name),
				DimensionsMap: &lake, Statistic: jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(5))})})
	}
	// What the controller counts falls silent when it crashes or times out.
	d.props.Alarms.Watch(d, "ControllerErrors", handler.ErrorsAlarm(d.controller, controllerErrorsWithin,
		fmt.Sprintf("The controller of the replication %s fails", d.id)))
	if d.props.mode() != LoadOnly {
		d.watchLag()
	}
}

// watchLag alarms on DMS's own metrics. They fall silent when the replication stops, of which ReplicationStopped tells. No
// page of AWS names their dimension, so silence is not taken for health here: an alarm that never had data says so.
func (d *DatabaseReplication) watchLag() {
	limit := or(d.props.MaxLatency, defaultMaxLatency)
	of := map[string]*string{"ReplicationConfigId": jsii.String(*awscdk.Stack_Of(d).Account() + ":" + d.name(d.props.generation()))}
	for _, m := range []struct{ id, done string }{{"CDCLatencySource", "read from the database"}, {"CDCLatencyTarget", "written to the raw zone"}} {
		d.props.Alarms.Watch(d, m.id, &awscloudwatch.AlarmProps{
			AlarmDescription: jsii.String(fmt.Sprintf("Changes are %s more than %v late.", m.done, limit)),
			Threshold:        seconds(limit), EvaluationPeriods: jsii.Number(3), TreatMissingData: awscloudwatch.TreatMissingData_MISSING,
			Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("AWS/DMS"), MetricName: jsii.String(m.id),
				DimensionsMap: &of, Statistic: jsii.String("Maximum"), Period: awscdk.Duration_Minutes(jsii.Number(5))})})
	}
}
