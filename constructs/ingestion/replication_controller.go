package ingestion

import (
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/lambda/contract"
)

const (
	controllerTimeout = 2 * time.Minute
	controllerEvery   = time.Minute
	// Five ticks fall into it.
	controllerErrorsWithin = 5 * time.Minute

	// The controller ends replications of so many earlier generations.
	retiredGenerations = 3
)

func (d *DatabaseReplication) newController() {
	p, generation := &d.props, d.props.generation()
	environment := map[string]string{
		contract.Lake: p.Manifest.Manifest().Lake, contract.LedgerTable: p.Ledger.TableName(), contract.RawBucket: p.Raw.BucketName(),
		contract.WakeQueueURL: *p.Waker.WakeQueue().QueueUrl(), contract.WindowSeconds: strconv.Itoa(int(p.Waker.Window() / time.Second)),
		contract.ReplicationSource: d.id, contract.ReplicationConfigARN: *d.config.AttrReplicationConfigArn(),
		contract.ReplicationGeneration: strconv.Itoa(generation), contract.ReplicationMode: string(p.mode()),
	}
	maps.Copy(environment, p.Manifest.Environment())
	d.controller = handler.New(d, "Controller", handler.Props{
		Name:        "replication",
		Description: "Starts, resumes and watches the replication of the source " + d.id,
		Environment: environment,
		Timeout:     controllerTimeout, Memory: 256,
		LogGroup: security.NewLogGroup(d, "ControllerLog", &security.LogGroupProps{
			Key: p.Key, Retention: p.LogRetention, AllowDeletion: p.AllowDeletion,
		}),
	})
	p.Manifest.GrantRead(d.controller)
	p.Ledger.Grant(d.controller, catalog.Replication)
	p.Waker.GrantWake(d.controller)
	d.allow([]string{p.Raw.BucketArn()}, &map[string]*map[string]any{"StringLike": {"s3:prefix": Folder(d.id) + "*"}}, "s3:ListBucketVersions")
	current := []string{*d.config.AttrReplicationConfigArn()}
	d.allow(current, nil, "dms:DescribeReplicationTableStatistics", "dms:StartReplication", "dms:StopReplication")
	var earlier []string
	for g := max(1, generation-retiredGenerations); g < generation; g++ {
		earlier = append(earlier, d.configArn(g))
	}
	if len(earlier) > 0 {
		d.allow(earlier, nil, "dms:DeleteReplicationConfig", "dms:StopReplication")
	}
	d.allow([]string{"*"}, nil, "dms:DescribeReplications")
	security.AcceptGrant(d.controller, security.Finding{Rule: "AwsSolutions-IAM5", AppliesTo: []string{"Resource::*"},
		Reason: "DMS offers no resource to name for the description of replications."})
	handler.OnSchedule(d, "Tick", d.controller, controllerEvery, map[string]string{"action": contract.ActionReconcile})
}

func (d *DatabaseReplication) allow(arns []string, conditions *map[string]*map[string]any, actions ...string) {
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: d.controller, Actions: jsii.Strings(actions...), ResourceArns: jsii.Strings(arns...), Conditions: conditions,
	})
}

// newOutputs tells operators how to see, to pause and to resume.
func (d *DatabaseReplication) newOutputs() {
	for _, o := range []struct{ id, doc, action string }{
		{"StatusCommand", "Shows the replication, and does what is due", contract.ActionReconcile},
		{"PauseCommand", "Stops the replication until it is resumed; more than two days need a new Generation", contract.ActionStop},
		{"ResumeCommand", "Resumes a paused replication, or tries a failed one at once", contract.ActionStart},
	} {
		awscdk.NewCfnOutput(d, jsii.String(o.id), &awscdk.CfnOutputProps{Description: jsii.String(o.doc),
			Value: jsii.String(handler.InvokeCommand(d.ControllerName(), `{"action":"`+o.action+`"}`))})
	}
}

// GrantOperate lets grantee look at the replication, pause and resume it, and have transaction files split again.
func (d *DatabaseReplication) GrantOperate(grantee awsiam.IGrantable) awsiam.Grant {
	functions := []*string{d.controller.FunctionArn()}
	if d.split != nil {
		functions = append(functions, d.split.FunctionArn())
	}
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("lambda:InvokeFunction"), ResourceArns: &functions,
	})
}

// SplitName is the name of the function an operator invokes to have transaction files split again; empty unless
// PreserveTransactions is set.
func (d *DatabaseReplication) SplitName() string {
	if d.split == nil {
		return ""
	}
	return *d.split.FunctionName()
}

// ControllerName is the name of the function an operator invokes to look at the replication, to pause and to resume it.
func (d *DatabaseReplication) ControllerName() string { return *d.controller.FunctionName() }

// ConfigArn is the ARN of the DMS configuration of the declared generation.
func (d *DatabaseReplication) ConfigArn() string { return *d.config.AttrReplicationConfigArn() }
