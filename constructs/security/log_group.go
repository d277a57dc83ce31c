package security

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

const day = 24 * time.Hour

// DefaultLogRetention is how long log events are kept where nothing else is said.
const DefaultLogRetention = 90 * day

// logRetentionDays are the retentions CloudWatch Logs accepts.
var logRetentionDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
	3288, 3653}

// LogGroupProps configures an encrypted log group.
type LogGroupProps struct {
	// Key encrypts the log events. A key that is brought must admit LogGroups.
	// Default: a new key.
	Key awskms.IKey
	// Name is the physical name, only for groups whose writer finds them by name.
	// Default: CloudFormation makes a unique name.
	Name string
	// Retention is how long log events are kept, in whole days out of those CloudWatch Logs accepts (1, 3, 5, 7, 14, 30,
	// 60, 90, 120, 150, 180, 365, 400, … 3653).
	// Default: 90 days.
	Retention time.Duration
	// AllowDeletion lets CloudFormation delete the group with the stack, if the context flag strata:allow-deletion is
	// set as well.
	// Default: false, the group is retained.
	AllowDeletion bool
	// Configure changes the group's properties after the defaults are set. The key and the removal policy stay as they
	// are here.
	// Default: nothing is changed.
	Configure func(*awslogs.LogGroupProps)
}

// Validate reports every problem of the props. Nil props are valid.
func (p *LogGroupProps) Validate() error {
	if p == nil {
		return nil
	}
	var l check.List
	CheckLogRetention(&l, "Retention", p.Retention)
	return l.Err()
}

// CheckLogRetention adds a problem to l if CloudWatch Logs does not accept the retention. Zero stands for the default.
func CheckLogRetention(l *check.List, path string, retention time.Duration) {
	if retention == 0 || retention%day == 0 && slices.Contains(logRetentionDays, int(retention/day)) {
		return
	}
	allowed := strings.Trim(strings.ReplaceAll(fmt.Sprint(logRetentionDays), " ", ", "), "[]")
	l.Add(path, "is no retention of CloudWatch Logs", retention, "whole days out of "+allowed)
}

// NewLogGroup makes a log group encrypted under a customer key, with an end to its retention. Storage costs
// 0.03 USD per GB and month, ingestion 0.50 USD per GB (list prices, us-east-1).
func NewLogGroup(scope constructs.Construct, id string, props *LogGroupProps) awslogs.LogGroup {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	if props == nil {
		props = &LogGroupProps{}
	}
	retention := props.Retention
	if retention == 0 {
		retention = DefaultLogRetention
	}
	lp := &awslogs.LogGroupProps{}
	if props.Name != "" {
		lp.LogGroupName = jsii.String(props.Name)
	}
	if props.Configure != nil {
		props.Configure(lp)
	}
	key := NewKeyFor(scope, id+"Key", props.Key, &KeyProps{
		Description: "Strata logs", Services: []ServiceUse{LogGroups}, AllowDeletion: props.AllowDeletion,
	})
	lp.EncryptionKey = key
	lp.RemovalPolicy = RemovalPolicy(scope, props.AllowDeletion)
	group := awslogs.NewLogGroup(scope, jsii.String(id), lp)
	// The L2 takes an enumeration of names; the L1 takes the days we have checked.
	group.Node().DefaultChild().(awslogs.CfnLogGroup).SetRetentionInDays(jsii.Number(float64(retention / day)))
	return group
}
