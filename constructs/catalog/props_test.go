package catalog_test

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
)

func described(d *awsglue.CfnDatabase_DatabaseInputProperty) {
	d.Parameters = map[string]string{"owner": "me"}
}

func TestDatabaseProps(t *testing.T) {
	cdktest.Effects(t,
		func(stack awscdk.Stack) catalog.DatabaseProps {
			return catalog.DatabaseProps{Name: "shop_sales_cleaned", Zone: zone(stack), Prefix: "sales/"}
		},
		func(stack awscdk.Stack, p *catalog.DatabaseProps) { catalog.NewDatabase(stack, "Database", p) },
		cdktest.Changes[catalog.DatabaseProps]{
			"Name": {}, "Zone": {}, "Prefix": {},
			"Doc":           {Do: func(_ awscdk.Stack, p *catalog.DatabaseProps) { p.Doc = "Mine." }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *catalog.DatabaseProps) { p.AllowDeletion = true }},
			"Configure":     {Do: func(_ awscdk.Stack, p *catalog.DatabaseProps) { p.Configure = described }},
		})
}

func TestDatabaseAttributes(t *testing.T) {
	cdktest.Effects(t,
		func(stack awscdk.Stack) catalog.DatabaseAttributes {
			return catalog.DatabaseAttributes{Name: "other", Zone: zone(stack), Prefix: "other/"}
		},
		func(stack awscdk.Stack, a *catalog.DatabaseAttributes) {
			catalog.DatabaseFromAttributes(stack, "Database", *a).GrantRead(role(stack, "Reader"))
		},
		cdktest.Changes[catalog.DatabaseAttributes]{"Name": {}, "Zone": {}, "Prefix": {}})
}

func TestOperationsProps(t *testing.T) {
	cdktest.Effects(t,
		func(stack awscdk.Stack) catalog.OperationsProps {
			return catalog.OperationsProps{Name: "shop_operations", Artifacts: zone(stack)}
		},
		func(stack awscdk.Stack, p *catalog.OperationsProps) { catalog.NewOperations(stack, "Operations", p) },
		cdktest.Changes[catalog.OperationsProps]{
			"Name": {}, "Artifacts": {},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *catalog.OperationsProps) { p.AllowDeletion = true }},
			"Configure":     {Do: func(_ awscdk.Stack, p *catalog.OperationsProps) { p.Configure = described }},
		})
}

func TestLedgerProps(t *testing.T) {
	cdktest.Effects(t,
		func(awscdk.Stack) catalog.LedgerProps { return catalog.LedgerProps{} },
		func(stack awscdk.Stack, p *catalog.LedgerProps) { catalog.NewLedger(stack, "Ledger", p) },
		cdktest.Changes[catalog.LedgerProps]{
			"Key": {Do: func(s awscdk.Stack, p *catalog.LedgerProps) {
				p.Key = awskms.Key_FromKeyArn(s, jsii.String("Own"), jsii.String(keyArn(s)))
			}},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *catalog.LedgerProps) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *catalog.LedgerProps) {
				p.Configure = func(t *awsdynamodb.TableProps) { t.TableName = jsii.String("mine") }
			}},
		})
}

func TestLedgerAttributes(t *testing.T) {
	cdktest.Effects(t,
		func(stack awscdk.Stack) catalog.LedgerAttributes {
			return catalog.LedgerAttributes{TableName: "ledger", KeyArn: keyArn(stack)}
		},
		func(stack awscdk.Stack, a *catalog.LedgerAttributes) {
			catalog.LedgerFromAttributes(stack, "Ledger", *a).Grant(role(stack, "Job"), catalog.Job)
		},
		cdktest.Changes[catalog.LedgerAttributes]{"TableName": {}, "KeyArn": {}})
}
