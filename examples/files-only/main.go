// Command files-only is a data lake for a trading company: eight TPC-H tables land as files, are checked and conformed,
// and feed curated tables that answer the company's questions.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/examples/tpch"
)

func main() {
	lake.Main(func(app awscdk.App) {
		stack := awscdk.NewStack(app, jsii.String("Commerce"), nil)
		commerce := lake.New(stack, "Lake", &lake.Props{
			Name: "commerce",
			Sources: lake.Sources{
				"Shop":       ingestion.FileDrop{Datasets: []dataset.Spec{customer, orders, lineItem}},
				"Purchasing": ingestion.FileDrop{Datasets: []dataset.Spec{part, supplier, partSupplier}},
				"Reference":  ingestion.FileDrop{Datasets: []dataset.Spec{region, nation}},
			},
			Models:  tpch.Models,
			Queries: tpch.Queries,
		})
		// Who calls customers back may turn their tokens into phone numbers.
		support := awsiam.NewRole(stack, jsii.String("Support"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
		commerce.GrantDetokenise(support, "customers", "sales")
	})
}
