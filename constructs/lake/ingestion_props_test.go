package lake_test

import (
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesisfirehose"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/operations"
	"github.com/strata-cdk/strata/constructs/storage"
)

const week = 7 * 24 * time.Hour

func ownKey(stack awscdk.Stack) awskms.IKey {
	return awskms.Key_FromKeyArn(stack, jsii.String("Mine"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/1111aaaa-22bb-33cc-44dd-5555555eeeee"))
}

func someone(stack awscdk.Stack) awsiam.IGrantable {
	return awsiam.NewRole(stack, jsii.String("Someone"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
}

func othersLedger(stack awscdk.Stack) catalog.LedgerRef {
	return catalog.LedgerFromAttributes(stack, "Ledger", catalog.LedgerAttributes{TableName: "ledger", KeyArn: "arn:aws:kms:eu-west-1:111122223333:key/ledger"})
}

func someAlarms(stack awscdk.Stack) *operations.Alarms {
	return operations.NewAlarms(stack, "Alarms", &operations.AlarmsProps{Lake: "shop"})
}

// manifestOf is the declaration of a lake with these datasets.
func manifestOf(t *testing.T, stack awscdk.Stack, specs []dataset.Spec, landings []dataset.Landing) *catalog.Manifest {
	t.Helper()
	manifest, err := dataset.NewManifest("shop", specs, landings, nil)
	if err != nil {
		t.Fatal(err)
	}
	return catalog.NewManifest(stack, "Manifest", manifest)
}

func TestFileDropProps(t *testing.T) {
	type props = ingestion.FileDropProps
	cdktest.Effects(t,
		func(stack awscdk.Stack) props {
			return props{Raw: storage.NewZone(stack, "Raw", &storage.ZoneProps{Landing: true}), FileDrop: ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders")}}}
		},
		func(stack awscdk.Stack, p *props) { ingestion.NewFileDrop(stack, "Files", p) },
		cdktest.Changes[props]{
			"Datasets": {}, "Raw": {},
			"Senders": {
				Given: func(s awscdk.Stack, _ *props) { someone(s) },
				Do: func(s awscdk.Stack, p *props) {
					p.Senders = []awsiam.IGrantable{s.Node().FindChild(jsii.String("Someone")).(awsiam.IGrantable)}
				},
			},
		})
}

func TestStreamProps(t *testing.T) {
	type props = ingestion.StreamProps
	cdktest.Effects(t,
		func(stack awscdk.Stack) props {
			return props{Stream: ingestion.Stream{Datasets: []dataset.Spec{spec("web", "clicks")}}, Lake: "shop", Raw: importedRaw(stack), Ledger: othersLedger(stack)}
		},
		func(stack awscdk.Stack, p *props) { ingestion.NewStream(stack, "WebClicks", p) },
		cdktest.Changes[props]{
			"Lake": {}, "Datasets": {}, "Raw": {}, "Ledger": {},
			"RouteBy":         {Do: func(_ awscdk.Stack, p *props) { p.RouteBy = "dataset" }},
			"Buffer.Size":     {Do: func(_ awscdk.Stack, p *props) { p.Buffer.Size = 100 }},
			"Buffer.Interval": {Do: func(_ awscdk.Stack, p *props) { p.Buffer.Interval = 90 * time.Second }},
			"Producers": {
				Given: func(s awscdk.Stack, _ *props) { someone(s) },
				Do: func(s awscdk.Stack, p *props) {
					p.Producers = []awsiam.IGrantable{s.Node().FindChild(jsii.String("Someone")).(awsiam.IGrantable)}
				},
			},
			"Alarms": {
				Given: func(s awscdk.Stack, _ *props) { someAlarms(s) },
				Do: func(s awscdk.Stack, p *props) {
					p.Alarms = s.Node().FindChild(jsii.String("Alarms")).(catalog.Alarms)
				},
			},
			"Key":           {Do: func(s awscdk.Stack, p *props) { p.Key = ownKey(s) }},
			"LogRetention":  {Do: func(_ awscdk.Stack, p *props) { p.LogRetention = week }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *props) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *props) {
				p.Configure = func(s *awskinesisfirehose.CfnDeliveryStreamProps) { s.DeliveryStreamName = jsii.String("clicks") }
			}},
		})
}

func TestArrivalsProps(t *testing.T) {
	type props = ingestion.ArrivalsProps
	cdktest.Effects(t,
		func(stack awscdk.Stack) props {
			drop := ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders")}}
			return props{Manifest: manifestOf(t, stack, drop.Specs(), drop.Landings("Files")), Raw: importedRaw(stack), Ledger: othersLedger(stack), Waker: waker{stack}}
		},
		func(stack awscdk.Stack, p *props) { ingestion.NewArrivals(stack, "Arrivals", p) },
		cdktest.Changes[props]{
			"Manifest": {}, "Raw": {}, "Ledger": {}, "Waker": {},
			"ReconcileEvery": {Do: func(_ awscdk.Stack, p *props) { p.ReconcileEvery = time.Hour }},
			"Alarms": {
				Given: func(s awscdk.Stack, _ *props) { someAlarms(s) },
				Do: func(s awscdk.Stack, p *props) {
					p.Alarms = s.Node().FindChild(jsii.String("Alarms")).(catalog.Alarms)
				},
			},
			"Key":           {Do: func(s awscdk.Stack, p *props) { p.Key = ownKey(s) }},
			"LogRetention":  {Do: func(_ awscdk.Stack, p *props) { p.LogRetention = week }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *props) { p.AllowDeletion = true }},
		})
}

func TestReplicationProps(t *testing.T) {
	type props = ingestion.ReplicationProps
	group := func(s awscdk.Stack) awsec2.ISecurityGroup {
		return awsec2.SecurityGroup_FromSecurityGroupId(s, jsii.String("Own"), jsii.String("sg-0123456789abcdef0"), nil)
	}
	cdktest.Effects(t,
		func(stack awscdk.Stack) props {
			from := erp(stack)
			return props{Replication: from, Manifest: manifestOf(t, stack, from.Specs(), from.Landings("Erp")), Raw: importedRaw(stack),
				Waker: waker{stack}, Ledger: othersLedger(stack), Alarms: someAlarms(stack)}
		},
		func(stack awscdk.Stack, p *props) { ingestion.NewReplication(stack, "Erp", p) },
		cdktest.Changes[props]{
			"From.Secret": {}, "From.Database": {}, "From.Vpc": {}, "Datasets": {}, "Manifest": {}, "Raw": {}, "Ledger": {}, "Waker": {}, "Alarms": {},
			"From.Port": {Do: func(_ awscdk.Stack, p *props) { p.From.Port = 6432 }},
			"From.SSL":  {Do: func(_ awscdk.Stack, p *props) { p.From.SSL = ingestion.SSLNone }},
			"From.Subnets": {Do: func(_ awscdk.Stack, p *props) {
				p.From.Subnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PUBLIC}
			}},
			"From.SecurityGroups": {Do: func(s awscdk.Stack, p *props) {
				p.From.SecurityGroups = []awsec2.ISecurityGroup{group(s)}
			}},
			"Schema":       {Do: func(_ awscdk.Stack, p *props) { p.Schema = "shop" }},
			"Tables":       {Do: func(_ awscdk.Stack, p *props) { p.Tables = map[string]string{"sales.orders": "Orders"} }},
			"Generation":   {Do: func(_ awscdk.Stack, p *props) { p.Generation = 2 }},
			"Mode":         {Do: func(_ awscdk.Stack, p *props) { p.Mode = ingestion.ChangesOnly }},
			"MaxCapacity":  {Do: func(_ awscdk.Stack, p *props) { p.MaxCapacity = 8 }},
			"MultiAZ":      {Do: func(_ awscdk.Stack, p *props) { p.MultiAZ = true }},
			"MaxLOB":       {Do: func(_ awscdk.Stack, p *props) { p.MaxLOB = 2048 }},
			"MaxLatency":   {Do: func(_ awscdk.Stack, p *props) { p.MaxLatency = time.Hour }},
			"AccountRoles": {Do: func(_ awscdk.Stack, p *props) { p.AccountRoles = true }},
			"PreserveTransactions": {Do: func(_ awscdk.Stack, p *props) {
				p.PreserveTransactions = true
			}},
			"Key":           {Do: func(s awscdk.Stack, p *props) { p.Key = ownKey(s) }},
			"LogRetention":  {Do: func(_ awscdk.Stack, p *props) { p.LogRetention = week }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *props) { p.AllowDeletion = true }},
		})
}
