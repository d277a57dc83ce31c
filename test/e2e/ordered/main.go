// Command ordered is the small lake of the end-to-end test of transaction files: two tables of a PostgreSQL database whose
// changes are written in the order of their transactions.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
)

func main() {
	lake.Main(func(app awscdk.App) {
		stack := awscdk.NewStack(app, jsii.String("Ordered"), nil)
		vpc := awsec2.NewVpc(stack, jsii.String("Network"), &awsec2.VpcProps{
			MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0), RestrictDefaultSecurityGroup: jsii.Bool(false),
			SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("Data"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}},
		})
		lake.New(stack, "Lake", &lake.Props{Name: "ordered", Sources: lake.Sources{"Erp": ingestion.Replication{
			From: ingestion.Postgres{
				Secret:   awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String("Secret"), jsii.String("erp/replicator")),
				Database: "erp", Vpc: vpc, Subnets: &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED},
			},
			Datasets:             []dataset.Spec{accounts, transfers},
			PreserveTransactions: true,
		}}})
	})
}

var accounts = dataset.Spec{
	Domain: "bank", Name: "accounts", Load: dataset.CDC, Keys: []string{"iban"},
	Columns: []dataset.Column{
		{Name: "iban", Type: dataset.String},
		{Name: "balance", Type: dataset.Decimal(12, 2)},
		{Name: "note", Type: dataset.String},
		{Name: "since", Type: dataset.Timestamp},
		{Name: "open", Type: dataset.Boolean},
	},
}

var transfers = dataset.Spec{
	Domain: "bank", Name: "transfers", Load: dataset.CDC, Keys: []string{"branch", "number"},
	Columns: []dataset.Column{
		{Name: "branch", Type: dataset.Int},
		{Name: "number", Type: dataset.Bigint},
		{Name: "amount", Type: dataset.Decimal(12, 2)},
		{Name: "reason", Type: dataset.String},
	},
}
