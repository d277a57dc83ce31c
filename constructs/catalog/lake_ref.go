package catalog

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/storage"
)

// LakeRef is a lake as a source sees it that takes part in the lake's control: one that has functions, keeps records,
// or raises alarms.
type LakeRef interface {
	storage.LakeRef
	// Manifest is the lake's declaration.
	Manifest() *Manifest
	// Ledger records what the lake does.
	Ledger() LedgerRef
	// Waker starts the pipeline on what has landed.
	Waker() Waker
	// Alarms tells people.
	Alarms() Alarms
	// Key encrypts what is no data: logs and queues. It admits security.ControlServices.
	Key() awskms.IKey
	// LogRetention is how long logs are kept; zero stands for the default.
	LogRetention() time.Duration
	// AllowDeletion lets CloudFormation delete what holds data, if the context flag strata:allow-deletion is set as well.
	AllowDeletion() bool
}

// Waker is what arrivals wake: processing.Pipeline is one.
type Waker interface {
	// WakeQueue is the FIFO queue that takes wake-ups.
	WakeQueue() awssqs.IQueue
	// GrantWake lets grantee send to it, its key included.
	GrantWake(grantee awsiam.IGrantable) awsiam.Grant
	// Window is how long wake-ups are gathered.
	Window() time.Duration
}

// Alarms raises alarms that people are told of: operations.Alarms is one.
type Alarms interface {
	// Watch makes an alarm below scope that tells people when it goes off. What props leave out: the alarm goes off above
	// zero, after one period, and missing data does not breach.
	Watch(scope constructs.Construct, id string, props *awscloudwatch.AlarmProps)
}

// Control is the lake as a source at path needs it that takes part in its control. A lake of landing zones alone panics
// with a *check.Error.
func Control(path string, lake storage.LakeRef) LakeRef {
	control, ok := lake.(LakeRef)
	if !ok {
		var l check.List
		l.Add("lake", "gives a landing zone only, but the source needs ledger, alarms and key", nil, "lake.New, or a catalog.LakeRef")
		check.Must(path, l.Err())
	}
	return control
}
