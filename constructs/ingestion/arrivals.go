package ingestion

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/internal/queue"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

const (
	noticeTimeout    = time.Minute
	reconcileTimeout = 15 * time.Minute

	// A notice is one or two conditional writes; fifty fit the timeout many times over.
	noticeBatch       = 50
	noticeWindow      = time.Second
	noticeConcurrency = 5

	defaultReconcileEvery = 24 * time.Hour

	// Three tries that time out begin within it.
	reconcileErrorsWithin = time.Hour
)

// ArrivalsProps configures how the lake learns of landed objects.
type ArrivalsProps struct {
	// Manifest says which dataset claims which prefix. Required.
	Manifest *catalog.Manifest
	// Raw is the landing zone; its bucket must send its events to EventBridge. Required.
	Raw storage.ZoneRef
	// Ledger keeps the inboxes. Required.
	Ledger catalog.LedgerRef
	// Waker is woken by arrivals. Required.
	Waker catalog.Waker
	// ReconcileEvery is the time between two comparisons of the raw bucket with the inboxes, which find objects whose
	// event was lost or that are older than the lake. Each lists the whole bucket. Whole minutes, from 1 hour to 7 days.
	// Default: one day.
	ReconcileEvery time.Duration
	// Alarms has an alarm on the failures of reconcile, 0.10 USD a month (list price).
	// Default: no alarm.
	Alarms catalog.Alarms
	// Key encrypts queue and logs. A key that is brought must admit security.EventsToQueues and security.LogGroups.
	// Default: a new key.
	Key awskms.IKey
	// LogRetention is how long logs are kept, in whole days out of those CloudWatch Logs accepts.
	// Default: 90 days.
	LogRetention time.Duration
	// AllowDeletion lets CloudFormation delete the log groups with the stack, if the context flag strata:allow-deletion
	// is set as well.
	// Default: false, they are retained.
	AllowDeletion bool
}

// Validate reports every problem of the props.
func (p *ArrivalsProps) Validate() error {
	var l check.List
	if p == nil {
		p = &ArrivalsProps{}
	}
	required := func(path string, missing bool, allowed string) {
		if missing {
			l.Add(path, "is missing", nil, allowed)
		}
	}
	required("Manifest", p.Manifest == nil, "catalog.NewManifest(…)")
	required("Raw", p.Raw == nil, "the zone where sources land")
	required("Ledger", p.Ledger == nil, "catalog.NewLedger(…) or an imported ledger")
	required("Waker", p.Waker == nil, "processing.NewPipeline(…)")
	l.Under("ReconcileEvery", CheckReconcileEvery(p.ReconcileEvery))
	security.CheckLogRetention(&l, "LogRetention", p.LogRetention)
	return l.Err()
}

// CheckReconcileEvery judges the time between two reconciliations. Zero stands for the default.
func CheckReconcileEvery(every time.Duration) error {
	const low, high = time.Hour, 7 * 24 * time.Hour
	if every != 0 && (every < low || every > high || every%time.Minute != 0) {
		return fmt.Errorf("is out of range; got %v; allowed: multiples of %v from %v to %v, or 0 for %v", every, time.Minute, low, high, defaultReconcileEvery)
	}
	return nil
}

// Arrivals is how the lake learns of landed objects: S3's events go through EventBridge and a queue to the function
// notice, which puts each object version into the inbox of its dataset once, however often its event comes; and the
// function reconcile compares bucket and inboxes on a schedule. Idle it costs nothing but the schedule's invocations;
// a million arrivals cost about 3 USD (events, queue, function and ledger, list prices).
type Arrivals struct {
	constructs.Construct
	props             ArrivalsProps
	queue             *queue.Queue
	notice, reconcile awslambda.Function
}

// NewArrivals makes rule, queue and functions.
func NewArrivals(scope constructs.Construct, id string, props *ArrivalsProps) *Arrivals {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	a := &Arrivals{props: *props}
	constructs.NewConstruct_Override(a, scope, jsii.String(id))
	if a.props.ReconcileEvery == 0 {
		a.props.ReconcileEvery = defaultReconcileEvery
	}
	a.props.Key = security.NewKeyFor(a, "Key", props.Key, &security.KeyProps{
		Description:   "Strata arrivals",
		Services:      []security.ServiceUse{security.EventsToQueues, security.LogGroups},
		AllowDeletion: props.AllowDeletion,
	})
	a.queue = queue.New(a, "Queue", queue.Props{Key: a.props.Key, ConsumerTimeout: noticeTimeout})
	a.listen()
	a.newNotice()
	a.newReconcile()
	return a
}

// listen sends every object creation in the raw bucket to the queue.
func (a *Arrivals) listen() {
	rule := awsevents.NewCfnRule(a, jsii.String("ObjectCreated"), &awsevents.CfnRuleProps{
		Description: jsii.String("Objects that land in the raw zone"),
		EventPattern: map[string]any{
			"source":      []string{contract.SourceS3},
			"detail-type": []string{contract.ObjectCreated},
			"detail":      map[string]any{"bucket": map[string]any{"name": []string{a.props.Raw.BucketName()}}},
		},
		State: jsii.String("ENABLED"),
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String("Queue"), Arn: a.queue.Main.QueueArn(),
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: a.queue.Dead.QueueArn()},
		}},
	})
	queue.AdmitRule(a.queue.Main, rule.AttrArn())
	queue.AdmitRule(a.queue.Dead, rule.AttrArn())
}

func (a *Arrivals) newNotice() {
	environment := map[string]string{
		contract.Lake: a.props.Manifest.Manifest().Lake, contract.LedgerTable: a.props.Ledger.TableName(),
		contract.RawBucket: a.props.Raw.BucketName(), contract.WakeQueueURL: *a.props.Waker.WakeQueue().QueueUrl(),
		contract.WindowSeconds: strconv.Itoa(int(a.props.Waker.Window() / time.Second)),
	}
	maps.Copy(environment, a.props.Manifest.Environment())
	a.notice = handler.New(a, "Notice", handler.Props{
		Name:        "notice",
		Description: "Puts landed objects into the inboxes of their datasets",
		Environment: environment,
		Timeout:     noticeTimeout, Memory: 256, LogGroup: a.logGroup("NoticeLog"),
	})
	a.props.Manifest.GrantRead(a.notice)
	a.props.Ledger.Grant(a.notice, catalog.Notice)
	a.props.Waker.GrantWake(a.notice)
	a.queue.Feed(a.notice, "Queue", noticeBatch, noticeWindow, noticeConcurrency)
}

func (a *Arrivals) newReconcile() {
	environment := map[string]string{
		contract.Lake: a.props.Manifest.Manifest().Lake, contract.LedgerTable: a.props.Ledger.TableName(),
		contract.RawBucket: a.props.Raw.BucketName(), contract.NoticeQueueURL: *a.queue.Main.QueueUrl(),
	}
	maps.Copy(environment, a.props.Manifest.Environment())
	a.reconcile = handler.New(a, "Reconcile", handler.Props{
		Name:        "reconcile",
		Description: "Compares the raw zone with the inboxes",
		Environment: environment,
		Timeout:     reconcileTimeout, Memory: 512, LogGroup: a.logGroup("ReconcileLog"),
	})
	a.props.Manifest.GrantRead(a.reconcile)
	a.props.Ledger.Grant(a.reconcile, catalog.Reconcile)
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: a.reconcile, Actions: jsii.Strings("s3:ListBucketVersions"),
		ResourceArns: jsii.Strings(a.props.Raw.BucketArn()),
	})
	a.queue.GrantSend(a.reconcile)
	// A long list is continued by another invocation. The policy is a resource of its own, because the function waits
	// for its role's default policy, which therefore cannot name the function.
	awsiam.NewPolicy(a, jsii.String("ReconcileContinues"), &awsiam.PolicyProps{
		Roles: &[]awsiam.IRole{a.reconcile.Role()},
		Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings("lambda:InvokeFunction"), Resources: &[]*string{a.reconcile.FunctionArn()},
		})},
	})
	// Lambda would take the continuations for a runaway loop after sixteen of them.
	a.reconcile.Node().DefaultChild().(awslambda.CfnFunction).SetRecursiveLoop(jsii.String("Allow"))
	if a.props.Alarms != nil {
		a.props.Alarms.Watch(a, "ReconcileErrors", handler.ErrorsAlarm(a.reconcile, reconcileErrorsWithin,
			"The function that finds missed objects fails"))
	}
	handler.OnSchedule(a, "ReconcileSchedule", a.reconcile, a.props.ReconcileEvery, map[string]string{"action": contract.ActionReconcile})
}

func (a *Arrivals) logGroup(id string) awslogs.ILogGroup {
	return security.NewLogGroup(a, id, &security.LogGroupProps{
		Key: a.props.Key, Retention: a.props.LogRetention, AllowDeletion: a.props.AllowDeletion,
	})
}

// GrantReconcile lets grantee start a reconciliation, which is also the backfill of objects older than the lake.
func (a *Arrivals) GrantReconcile(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("lambda:InvokeFunction"),
		ResourceArns: &[]*string{a.reconcile.FunctionArn()},
	})
}

// ReconcileName is the name of the function an operator invokes to reconcile at once.
func (a *Arrivals) ReconcileName() string { return *a.reconcile.FunctionName() }

// RedriveCommands are the lines by which an operator has notice handle again what it could not.
func (a *Arrivals) RedriveCommands() []string { return []string{a.queue.RedriveCommand()} }

// DeadLetters are the queues of what could not be handled, by a name for their alarm.
func (a *Arrivals) DeadLetters() map[string]awssqs.IQueue {
	return map[string]awssqs.IQueue{"Arrivals": a.queue.Dead}
}
