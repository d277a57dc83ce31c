package catalog

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/lambda/contract"
)

// ByDataset is the name of the ledger's index over batches, by dataset and the time they were frozen.
const ByDataset = contract.DatasetIndex

// LedgerRole is a part the holder of a grant plays with the ledger.
type LedgerRole string

// The parts. Each is allowed what its transitions need and nothing else.
const (
	// Notice puts arrivals into inboxes.
	Notice LedgerRole = "notice"
	// Dispatch takes leases, freezes batches, starts runs and replays.
	Dispatch LedgerRole = "dispatch"
	// Record ends batches and runs and releases leases.
	Record LedgerRole = "record"
	// Reconcile compares inboxes with the raw zone and keeps its place.
	Reconcile LedgerRole = "reconcile"
	// Replication completes full loads and remembers what it saw of a replication.
	Replication LedgerRole = "replication"
	// Redeliver records which failed deliveries, and records without a folder, are back in their stream.
	Redeliver LedgerRole = "redeliver"
	// Split records which transaction files have been handed to their datasets.
	Split LedgerRole = "split"
	// Job brings the batches of a run to their outcome and renews its leases, or publishes models.
	Job LedgerRole = "job"
	// Maintain takes the leases of datasets whose tables it keeps, and looks whether a batch has its outcome.
	Maintain LedgerRole = "maintain"
	// Erase takes the leases of datasets from which it erases somebody, and remembers whom.
	Erase LedgerRole = "erase"
	// Forgotten looks up who was erased.
	Forgotten LedgerRole = "forgotten"
	// History looks up earlier batches of a dataset.
	History LedgerRole = "history"
	// Reader only looks.
	Reader LedgerRole = "reader"
)

// LedgerRef is a ledger, owned or imported.
type LedgerRef interface {
	// TableName is the name of the DynamoDB table.
	TableName() string
	// TableArn is the ARN of the DynamoDB table.
	TableArn() string
	// Grant lets grantee play a part with the ledger, its key included.
	Grant(grantee awsiam.IGrantable, role LedgerRole) awsiam.Grant
}

// LedgerProps configures the ledger.
type LedgerProps struct {
	// Key encrypts the table.
	// Default: a new key, 1 USD a month.
	Key awskms.IKey
	// AllowDeletion lets CloudFormation delete the table with the stack, if the context flag strata:allow-deletion is
	// set as well.
	// Default: false, the table is retained and protected against deletion.
	AllowDeletion bool
	// Configure changes the table's properties after the defaults are set. Keys, billing, encryption, point-in-time
	// recovery and both kinds of deletion guard stay as they are here.
	// Default: nothing is changed.
	Configure func(*awsdynamodb.TableProps)
}

// Validate reports every problem of the props. Nil props are valid.
func (p *LedgerProps) Validate() error { return nil }

// Ledger is the authority on what the lake did: inboxes, batches, runs, leases and outputs, each changed by conditional
// writes only. It is a DynamoDB table billed per request, with point-in-time recovery: 0.625 USD per million writes,
// 0.125 USD per million reads, 0.25 USD per GB and month, 0.20 USD per GB and month for recovery (list prices,
// us-east-1); idle it costs nothing.
type Ledger struct {
	constructs.Construct
	table awsdynamodb.ITable
	key   awskms.IKey
}

var _ LedgerRef = (*Ledger)(nil)

// NewLedger makes the table and its index.
func NewLedger(scope constructs.Construct, id string, props *LedgerProps) *Ledger {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	if props == nil {
		props = &LedgerProps{}
	}
	l := &Ledger{}
	constructs.NewConstruct_Override(l, scope, jsii.String(id))
	l.key = security.NewKeyFor(l, "Key", props.Key, &security.KeyProps{
		Description: "Strata ledger", AllowDeletion: props.AllowDeletion,
	})
	policy := security.RemovalPolicy(l, props.AllowDeletion)
	tp := &awsdynamodb.TableProps{}
	if props.Configure != nil {
		props.Configure(tp)
	}
	tp.PartitionKey, tp.SortKey = text("pk"), text("sk")
	tp.BillingMode = awsdynamodb.BillingMode_PAY_PER_REQUEST
	tp.ReadCapacity, tp.WriteCapacity = nil, nil
	tp.Encryption = awsdynamodb.TableEncryption_CUSTOMER_MANAGED
	tp.EncryptionKey = l.key
	tp.PointInTimeRecovery = nil
	tp.PointInTimeRecoverySpecification = &awsdynamodb.PointInTimeRecoverySpecification{
		PointInTimeRecoveryEnabled: jsii.Bool(true),
	}
	tp.RemovalPolicy = policy
	tp.DeletionProtection = jsii.Bool(policy == awscdk.RemovalPolicy_RETAIN)
	table := awsdynamodb.NewTable(l, jsii.String("Table"), tp)
	table.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
		IndexName: jsii.String(ByDataset), PartitionKey: text("dataset"), SortKey: text("frozen_at"),
		ProjectionType: awsdynamodb.ProjectionType_ALL,
	})
	l.table = table
	return l
}

func text(name string) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: jsii.String(name), Type: awsdynamodb.AttributeType_STRING}
}

// TableName is the name of the DynamoDB table.
func (l *Ledger) TableName() string { return *l.table.TableName() }

// TableArn is the ARN of the DynamoDB table.
func (l *Ledger) TableArn() string { return *l.table.TableArn() }

// ledgerAccess is what a part needs. DynamoDB authorises a transaction by the actions of its items.
type ledgerAccess struct {
	table, index []string
}

// ledgerChanges are the items of the transactions by which batches, runs and leases change.
var ledgerChanges = []string{"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}

func changing(reads ...string) []string { return append(reads, ledgerChanges...) }

var ledgerAccesses = map[LedgerRole]ledgerAccess{
	Notice:    {table: []string{"dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}},
	Dispatch:  {table: changing("dynamodb:GetItem", "dynamodb:Query"), index: []string{"dynamodb:Query"}},
	Record:    {table: changing("dynamodb:GetItem", "dynamodb:Query")},
	Reconcile: {table: []string{"dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"}},
	Redeliver: {table: []string{"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"}},
	Split:     {table: []string{"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"}},
	// The records it creates and those it changes are different ones, and it deletes the list of a load's earlier try.
	Replication: {table: changing("dynamodb:GetItem", "dynamodb:Query")},
	Job:         {table: changing("dynamodb:GetItem")},
	Maintain:    {table: []string{"dynamodb:GetItem", "dynamodb:UpdateItem"}},
	Erase:       {table: []string{"dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"}},
	Forgotten:   {table: []string{"dynamodb:Query"}},
	History:     {index: []string{"dynamodb:Query"}},
	Reader:      {table: []string{"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}, index: []string{"dynamodb:Query"}},
}

// keyForReads and keyForWrites are what DynamoDB asks of a caller's own permissions on the table's key.
var (
	keyForReads  = []string{"kms:Decrypt", "kms:DescribeKey"}
	keyForWrites = []string{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
)

// Grant lets grantee play a part with the ledger, its key included. An unknown part panics.
func (l *Ledger) Grant(grantee awsiam.IGrantable, role LedgerRole) awsiam.Grant {
	access, ok := ledgerAccesses[role]
	if !ok {
		panic(fmt.Sprintf("catalog: %q plays no part with the ledger; allowed: notice, dispatch, record, reconcile, redeliver, replication, split, job, maintain, erase, forgotten, history, reader", role))
	}
	grant := func(actions []string, arn string) awsiam.Grant {
		return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
			Grantee: grantee, Actions: jsii.Strings(actions...), ResourceArns: jsii.Strings(arn),
		})
	}
	use := keyForWrites
	if role == Reader || role == History || role == Forgotten {
		use = keyForReads
	}
	g := l.key.Grant(grantee, *jsii.Strings(use...)...)
	if len(access.table) > 0 {
		g = grant(access.table, l.TableArn()).Combine(g)
	}
	if len(access.index) > 0 {
		g = g.Combine(grant(access.index, l.TableArn()+"/index/"+ByDataset))
	}
	return g
}

// LedgerAttributes identify a ledger that exists already.
type LedgerAttributes struct {
	// TableName is the name of the DynamoDB table, in the stack's account and region.
	TableName string
	// KeyArn is the ARN of the customer key that encrypts it.
	KeyArn string
}

// Validate reports every problem of the attributes.
func (a LedgerAttributes) Validate() error {
	var l check.List
	if a.TableName == "" {
		l.Add("TableName", "is missing", nil, "the name of an existing DynamoDB table")
	}
	if a.KeyArn == "" {
		l.Add("KeyArn", "is missing", nil, "the ARN of the table's customer key")
	}
	return l.Err()
}

// LedgerFromAttributes refers to an existing ledger, which is never changed.
func LedgerFromAttributes(scope constructs.Construct, id string, attributes LedgerAttributes) LedgerRef {
	check.Must(*scope.Node().Path()+"/"+id, attributes.Validate())
	l := &Ledger{}
	constructs.NewConstruct_Override(l, scope, jsii.String(id))
	l.key = awskms.Key_FromKeyArn(l, jsii.String("Key"), jsii.String(attributes.KeyArn))
	l.table = awsdynamodb.Table_FromTableName(l, jsii.String("Table"), jsii.String(attributes.TableName))
	return l
}
