// Command validated is the small lake of the end-to-end test of validation: a table of a PostgreSQL database that is
// replicated, with a column that is hashed, and the comparison with it.
package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/processing"
)

func main() {
	lake.Main(func(app awscdk.App) {
		stack := awscdk.NewStack(app, jsii.String("Validated"), nil)
		lake.New(stack, "Lake", &lake.Props{
			Name:    "valid",
			Sources: lake.Sources{"Erp": ingestion.Replication{From: database(stack), Datasets: []dataset.Spec{customers}}},
			Validations: map[string]lake.Validation{"Erp": {ValidationSettings: processing.ValidationSettings{
				Deequ:     processing.Deequ{Jar: ".cache/jars/deequ-2.1.0-spark-3.5.jar", Module: ".cache/wheels/pydeequ-1.7.0-py3-none-any.whl"},
				LookAgain: 1, LookAgainAfter: 10 * time.Second,
			}}},
		})
	})
}

func database(stack awscdk.Stack) ingestion.Postgres {
	vpc := awsec2.NewVpc(stack, jsii.String("Network"), &awsec2.VpcProps{
		MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0), RestrictDefaultSecurityGroup: jsii.Bool(false),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("Data"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}},
	})
	return ingestion.Postgres{
		Secret:   awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String("Secret"), jsii.String("erp/replicator")),
		Database: "erp", Vpc: vpc,
		Subnets: &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED},
	}
}

var customers = dataset.Spec{
	Domain: "shop", Name: "customers", Doc: "One row per customer.",
	Load: dataset.CDC, Keys: []string{"id"},
	Columns: []dataset.Column{
		{Name: "id", Type: dataset.Bigint},
		{Name: "mail", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Hash},
		{Name: "credit", Type: dataset.Decimal(10, 2)},
	},
}
