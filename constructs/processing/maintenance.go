package processing

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

//go:embed maintenance.asl.json
var maintenanceASL []byte

// staleAfter is how much longer than a job may run a file lies about before it is taken for one that nobody needs: time
// to wait for a worker, and to spare.
const staleAfter = 24 * time.Hour

// newMaintain makes the job that keeps the tables.
func (p *Pipeline) newMaintain(library awss3assets.Asset) {
	c := &p.props
	p.maintain = p.newJob("Maintain", "maintain", library, map[string]string{
		argCleanedBucket: c.Cleaned[0].Zone().BucketName(),
		argWakeQueueURL:  *p.wake.Main.QueueUrl(), argWindowSeconds: seconds(p.Window()),
	})
	role := p.maintain.Role()
	c.Artifacts.GrantRead(role, storage.Manifests)
	c.Ledger.Grant(role, catalog.Maintain)
	c.Artifacts.GrantPut(role, storage.MaintenanceResults)
	catalog.GrantReadWrite(role, allOf(c.Cleaned, c.Quarantine, c.Curated, c.vaults())...)
	p.grantFind(p.maintain)
	p.GrantWake(role)
	grantMetrics(role)
}

// newMaintenanceMachine makes the state machine that runs the job on a schedule, and the alarm on its failures. It asks
// dispatch for the current manifest, so that a new declaration changes neither machine nor job.
func (p *Pipeline) newMaintenanceMachine() {
	c := &p.props
	timeout := c.JobTimeout + queueing
	text, err := maintenance(timeout)
	check.Must(*p.Node().Path(), err)
	machine := p.newStateMachine("Maintenance", text, map[string]any{
		"InvokeFunction":   p.integration("lambda:invoke"),
		"DispatchFunction": p.dispatch.FunctionArn(),
		"MaintainJob":      jsii.String(p.maintain.Name()),
		"StartJobRun":      p.integration("glue:startJobRun.sync"),
	}, "Runs the maintenance of the tables")
	invoke(p.dispatch, machine.role)
	p.maintain.GrantStart(machine.role)
	p.maintenance = machine
	handler.StartOnSchedule(p, "MaintenanceSchedule", jsii.String(machine.arn), c.MaintainEvery, map[string]string{})
	machine.watchEnds(p, c.Alarms, "MaintenanceFailures", "MaintenanceTimedOut", "Tables could not be maintained: the table maintenance_results says which and why. The next tick tries anew.")
}

func maintenance(timeout time.Duration) (string, error) {
	var machine map[string]any
	if err := json.Unmarshal(maintenanceASL, &machine); err != nil {
		return "", fmt.Errorf("maintenance.asl.json: %w", err)
	}
	machine["TimeoutSeconds"] = int(timeout / time.Second)
	text, err := json.Marshal(machine)
	return string(text), err
}

func allOf(zones ...[]catalog.DatabaseRef) []catalog.DatabaseRef {
	var all []catalog.DatabaseRef
	for _, databases := range zones {
		all = append(all, databases...)
	}
	return all
}

// grantMetrics lets role add to the lake's metrics.
func grantMetrics(role awsiam.Role) {
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("cloudwatch:PutMetricData"), Resources: jsii.Strings("*"),
		Conditions: &map[string]any{"StringEquals": map[string]any{"cloudwatch:namespace": contract.MetricNamespace}},
	}))
	security.Accept(role, security.Finding{
		Rule: "AwsSolutions-IAM5", AppliesTo: []string{"Resource::*"},
		Reason: "CloudWatch offers no resource to name for PutMetricData; the condition names the namespace.",
	})
}

// CheckAges reports a job that may run for so long that maintenance could take its files for ones that nobody needs.
func (s Settings) CheckAges(datasets []dataset.Entry) error {
	var l check.List
	timeout := s.withDefaults().JobTimeout
	for i := range datasets {
		if age := datasets[i].UnreferencedAge(); timeout+staleAfter > age {
			l.Add("JobTimeout", "is too long: a job could still need what maintenance of "+datasets[i].ID+" removes after "+age.String(), timeout,
				fmt.Sprintf("at most %v, or a longer Maintenance.Unreferenced of the dataset", age-staleAfter))
			break
		}
	}
	return l.Err()
}

// MaintenanceArn is the ARN of the state machine that maintains the tables. An execution takes
// {"dataset"?: "<id>", "force"?: true} as its input.
func (p *Pipeline) MaintenanceArn() string { return p.maintenance.arn }
