// Package processing turns landed objects into tables: Spark jobs, and the pipeline that claims batches, runs the jobs
// on them and records the outcome.
package processing

import (
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/conv"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/internal/queue"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

const (
	dispatchTimeout = 5 * time.Minute
	recordTimeout   = time.Minute

	// Three tries that time out begin within it.
	dispatchErrorsWithin = 15 * time.Minute
)

// Pipeline claims pending objects in batches, refines them into cleaned tables, publishes the models that read those,
// and records every outcome. It makes the wake queue, the functions dispatch and record, the Spark jobs refine and,
// with models, publish, the state machine of a run, job and state machine of the tables' maintenance, those of erasures if a
// dataset says whom its rows are about, a sweep on a schedule and a rule that records executions which end
// without having recorded it themselves. Idle it costs the sweep's invocations and the alarms.
type Pipeline struct {
	constructs.Construct
	props            PipelineProps
	wake             *queue.Queue
	undelivered      *queue.Queue
	dispatch, record awslambda.Function
	refine, publish  *SparkJob
	maintain, erase  *SparkJob
	machine, replay  *machine
	maintenance      *machine
	erasure          *machine
	library          awss3assets.Asset
}

// NewPipeline makes the pipeline.
func NewPipeline(scope constructs.Construct, id string, props *PipelineProps) *Pipeline {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	p := &Pipeline{props: *props}
	constructs.NewConstruct_Override(p, scope, jsii.String(id))
	p.props.Settings = p.props.withDefaults()
	p.props.Key = security.NewKeyFor(p, "Key", props.Key, &security.KeyProps{
		Description:   "Strata pipeline",
		Services:      []security.ServiceUse{security.EventsToQueues, security.LogGroups},
		AllowDeletion: props.AllowDeletion,
	})
	p.wake = queue.New(p, "Wake", queue.Props{
		Key: p.props.Key, FIFO: true, Delay: p.Window(), ConsumerTimeout: dispatchTimeout,
	})
	p.undelivered = queue.NewDeadLetters(p, "Undelivered", p.props.Key)
	p.newRecord()
	p.newJobs()
	p.machine = p.newMachine()
	p.newDispatch()
	if p.props.Manifest.Manifest().Warns() {
		p.watchWarnings()
	}
	p.newMaintenanceMachine()
	if p.props.forgets() {
		p.newErasureMachine()
	}
	p.newReplay()
	return p
}

func (p *Pipeline) newRecord() {
	c := &p.props
	p.record = handler.New(p, "Record", handler.Props{
		Name:        "record",
		Description: "Records the outcome of runs and releases what they held",
		Environment: map[string]string{
			contract.Lake: c.Manifest.Manifest().Lake, contract.LedgerTable: c.Ledger.TableName(),
			contract.ArtifactsBucket: c.Artifacts.BucketName(), contract.AlarmTopicARN: *c.Alarms.Topic().TopicArn(),
			contract.WakeQueueURL: *p.wake.Main.QueueUrl(), contract.WindowSeconds: seconds(p.Window()),
			contract.MaxAttempts: strconv.Itoa(c.MaxAttempts),
		},
		Timeout: recordTimeout, Memory: 256, LogGroup: p.logGroup("RecordLog"),
	})
	c.Ledger.Grant(p.record, catalog.Record)
	c.Artifacts.GrantPut(p.record, storage.LedgerMirror)
	c.Alarms.GrantPublish(p.record)
	p.wake.GrantSend(p.record)
}

func (p *Pipeline) newDispatch() {
	c := &p.props
	environment := map[string]string{
		contract.Lake: c.Manifest.Manifest().Lake, contract.LedgerTable: c.Ledger.TableName(),
		contract.ArtifactsBucket: c.Artifacts.BucketName(), contract.RawBucket: c.Raw.BucketName(),
		contract.StateMachineARN: p.machine.arn,
		contract.LeaseSeconds:    seconds(c.Lease), contract.MaxAttempts: strconv.Itoa(c.MaxAttempts),
		contract.MaxBatchObjects: strconv.Itoa(c.MaxBatchObjects),
		contract.MaxBatchBytes:   strconv.FormatInt(c.MaxBatchBytes, 10),
	}
	maps.Copy(environment, c.Manifest.Environment())
	p.dispatch = handler.New(p, "Dispatch", handler.Props{
		Name:        "dispatch",
		Description: "Claims pending objects in batches and starts runs on them",
		Environment: environment,
		Timeout:     dispatchTimeout, Memory: 512, LogGroup: p.logGroup("DispatchLog"),
	})
	c.Manifest.GrantRead(p.dispatch)
	c.Ledger.Grant(p.dispatch, catalog.Dispatch)
	c.Artifacts.GrantRead(p.dispatch, storage.Batches, storage.Corrections, storage.Replays)
	c.Artifacts.GrantPut(p.dispatch, storage.Batches, storage.LedgerMirror, storage.Manifests, storage.Replays, storage.Runs)
	c.Raw.GrantRead(p.dispatch, contract.CorrectionsFolder)
	p.machine.grantStart(p.dispatch)
	p.wake.Feed(p.dispatch, "Wake", 1, 0, 0)
	c.Alarms.Watch(p, "DispatchErrors", handler.ErrorsAlarm(p.dispatch, dispatchErrorsWithin, "The function that starts runs fails"))
	handler.OnSchedule(p, "Sweep", p.dispatch, c.SweepEvery, map[string]string{"action": contract.ActionSweep})
}

// watchWarnings makes the alarm on rules that warn: nothing else tells of them, since their batches are applied.
func (p *Pipeline) watchWarnings() {
	p.props.Alarms.Watch(p, "WarnedRules", &awscloudwatch.AlarmProps{
		AlarmDescription: jsii.String("Quality rules that warn did not hold: the named query failed_rules says which. Their batches were applied."),
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String(contract.MetricNamespace), MetricName: jsii.String(contract.WarnedRules), Statistic: jsii.String("Sum"),
			DimensionsMap: &map[string]*string{contract.LakeDimension: jsii.String(p.props.Manifest.Manifest().Lake)}, Period: conv.Duration(5 * time.Minute),
		}),
	})
}

func (p *Pipeline) logGroup(id string) awslogs.ILogGroup {
	return security.NewLogGroup(p, id, &security.LogGroupProps{
		Key: p.props.Key, Retention: p.props.LogRetention, AllowDeletion: p.props.AllowDeletion,
	})
}

// seconds is a duration as the Lambdas and jobs take it.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// Window is how long arrivals are gathered before dispatch is woken; see the function Window.
func (p *Pipeline) Window() time.Duration { return p.props.window() }

// WakeQueue is the FIFO queue that wakes dispatch.
func (p *Pipeline) WakeQueue() awssqs.IQueue { return p.wake.Main }

// GrantWake lets grantee wake dispatch.
func (p *Pipeline) GrantWake(grantee awsiam.IGrantable) awsiam.Grant {
	return p.wake.GrantSend(grantee)
}

// GrantOperate lets grantee invoke dispatch: to drain, to sweep, to publish and to replay batches.
func (p *Pipeline) GrantOperate(grantee awsiam.IGrantable) awsiam.Grant {
	return invoke(p.dispatch, grantee)
}

// invoke allows the function without its versions, which the L2 grant would name with a wildcard.
func invoke(function awslambda.Function, grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("lambda:InvokeFunction"),
		ResourceArns: &[]*string{function.FunctionArn()},
	})
}

// DispatchName is the name of the function an operator invokes to sweep and to replay.
func (p *Pipeline) DispatchName() string { return *p.dispatch.FunctionName() }

// StateMachineArn is the ARN of the state machine; each execution is one run.
func (p *Pipeline) StateMachineArn() string { return p.machine.arn }

// DeadLetters are the queues of what could not be handled, by a name for their alarm.
func (p *Pipeline) DeadLetters() map[string]awssqs.IQueue {
	return map[string]awssqs.IQueue{"Wake": p.wake.Dead, "Undelivered": p.undelivered.Main}
}

// RedriveCommands are the lines by which an operator has dispatch handle again what it could not. What could not be
// delivered to record needs none: a sweep finds the ends of runs by itself.
func (p *Pipeline) RedriveCommands() []string { return []string{p.wake.RedriveCommand()} }

// Key encrypts queues and logs.
func (p *Pipeline) Key() awskms.IKey { return p.props.Key }
