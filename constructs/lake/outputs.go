package lake

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/storage"
)

// newOutputs tells operators where things are and how to replay and reconcile.
func (l *Lake) newOutputs() {
	output := func(id, doc, value string) {
		awscdk.NewCfnOutput(l, jsii.String(id), &awscdk.CfnOutputProps{Description: jsii.String(doc), Value: jsii.String(value)})
	}
	output("RawBucket", "Bucket where sources land", l.raw.BucketName())
	output("WorkgroupName", "Athena workgroup with the named queries", l.workgroup.Name())
	if names := l.vaultWorkgroups(); len(names) > 0 {
		output("VaultWorkgroups", "Athena workgroups in which tokens are turned back", strings.Join(names, " "))
	}
	output("LedgerTable", "DynamoDB table that records what the lake did", l.ledger.TableName())
	output("AlarmTopicArn", "Topic that is told of alarms and failures", *l.alarms.Topic().TopicArn())
	output("StateMachineArn", "State machine of the pipeline's runs", l.pipeline.StateMachineArn())
	output("MaintenanceMachineArn", "State machine of the tables' maintenance", l.pipeline.MaintenanceArn())
	output("MaintainCommand", "Maintains every table now and compacts what it can; one dataset: \"dataset\": \"<id>\"",
		`aws stepfunctions start-execution --state-machine-arn `+l.pipeline.MaintenanceArn()+` --input '{"force":true}'`)
	if arn := l.pipeline.ErasureArn(); arn != "" {
		output("ErasureMachineArn", "State machine that erases data subjects on request", arn)
		output("ErasureRequests", "Folder for requests: {\"subject\": \"<name>\", \"values\": [\"<text>\", ...]}", l.artifacts.URI(storage.ErasureRequests))
		output("EraseCommand", "Erases whom a request names, put in that folder as request.json",
			`aws stepfunctions start-execution --state-machine-arn `+arn+` --input '{"request":"`+storage.ErasureRequests+`request.json"}'`)
	}
	for _, id := range slices.Sorted(maps.Keys(l.validations)) {
		output("Validate"+id+"Command", "Compares the tables with those of "+id+"; some of them: {\"datasets\": [\"<id>\", ...]}",
			`aws stepfunctions start-execution --state-machine-arn `+l.validations[id].MachineArn()+` --input '{}'`)
	}
	output("DispatchFunction", "Function that claims batches and starts runs", l.pipeline.DispatchName())
	output("ReconcileFunction", "Function that compares the raw bucket with the inboxes", l.arrivals.ReconcileName())
	output("ReplayStateMachineArn", "State machine that carries a replay to its end; its input is as of ReplayCommand", l.pipeline.ReplayArn())
	output("ReplayCommand", "Replays every failed batch; other selections: batch, dataset, from, to, corrections",
		handler.InvokeCommand(l.pipeline.DispatchName(), `{"action":"replay","state":"failed"}`))
	output("RedriveCommand", "Has every function handle again what lies in its dead-letter queue", strings.Join(l.redriveCommands(), " && "))
	output("ReconcileCommand", "Finds objects whose event was lost or that are older than the lake",
		handler.InvokeCommand(l.arrivals.ReconcileName(), `{"action":"reconcile"}`))
	for _, id := range l.props.Sources.ids() {
		if _, ok := l.sources[id].(lander); ok {
			output("Land"+id, "Folder for the files of "+id+", then <domain>/<dataset>/", l.raw.URI(ingestion.Folder(id)))
		}
	}
}

// redriven is a source with dead-letter queues of its own.
type redriven interface{ RedriveCommands() []string }

func (l *Lake) redriveCommands() []string {
	commands := append(l.arrivals.RedriveCommands(), l.pipeline.RedriveCommands()...)
	for _, id := range l.props.Sources.ids() {
		if s, ok := l.sources[id].(redriven); ok {
			commands = append(commands, s.RedriveCommands()...)
		}
	}
	return commands
}
