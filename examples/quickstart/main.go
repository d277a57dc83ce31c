// Command quickstart is a data lake for a trading company. Its ERP's tables are replicated from PostgreSQL, clicks of its
// shop come as a stream, suppliers send files; curated tables answer the company's questions.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/examples/tpch"
)

func main() {
	lake.Main(func(app awscdk.App) {
		stack := awscdk.NewStack(app, jsii.String("Commerce"), nil)
		lake.New(stack, "Lake", &lake.Props{
			Name: "commerce",
			Sources: lake.Sources{
				"Erp": ingestion.Replication{
					From:       erp(stack),
					Datasets:   []dataset.Spec{region, nation, part, partSupplier, customer(app), orders, lineItem},
					Generation: generation(app),
				},
				"Clicks":    ingestion.Stream{Datasets: []dataset.Spec{webEvents}},
				"Suppliers": ingestion.FileDrop{Datasets: []dataset.Spec{supplier}},
			},
			Models:  tpch.Models,
			Queries: tpch.Queries,
		})
	})
}
