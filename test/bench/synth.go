package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
)

// app runs build in an app of its own and synthesises it to a folder that is deleted afterwards. Nothing is compiled.
func app(build func(awscdk.App)) {
	dir, err := os.MkdirTemp("", "strata-bench-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	a := awscdk.NewApp(&awscdk.AppProps{
		Outdir: jsii.String(dir), AnalyticsReporting: jsii.Bool(false),
		Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}},
	})
	build(a)
	a.Synth(nil)
}

func specs(n int) []dataset.Spec {
	all := make([]dataset.Spec, n)
	for i := range all {
		all[i] = dataset.Spec{
			Domain: "sales", Name: fmt.Sprintf("dataset%d", i), Owner: "sales-data", Keys: []string{"id"},
			Load: dataset.Upsert, Sequence: "changed_at", Columns: columns,
		}
	}
	return all
}

var columns = []dataset.Column{
	{Name: "id", Type: dataset.Bigint}, {Name: "changed_at", Type: dataset.Timestamp},
	{Name: "state", Type: dataset.String, Rules: dataset.Rules{dataset.OneOf("open", "shipped", "closed")}},
	{Name: "total", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.AtLeast(0)}},
	{Name: "day", Type: dataset.Date}, {Name: "clerk", Type: dataset.String}, {Name: "note", Type: dataset.String},
	{Name: "priority", Type: dataset.Int},
}

func synthLake(n int) {
	app(func(a awscdk.App) {
		lake.New(awscdk.NewStack(a, jsii.String("Bench"), nil), "Lake", &lake.Props{
			Name: "bench", Sources: lake.Sources{"Files": ingestion.FileDrop{Datasets: specs(n)}},
		})
	})
}

func synthNothing() {
	app(func(a awscdk.App) { awscdk.NewStack(a, jsii.String("Bench"), nil) })
}

// perStack keeps a stack of tables below CloudFormation's 500 resources.
const perStack = 400

// synthTables declares the same columns the other way: a table resource per dataset, and nothing that would load it.
func synthTables(n int) {
	app(func(a awscdk.App) {
		for first := 0; first < n; first += perStack {
			stack := awscdk.NewStack(a, jsii.String(fmt.Sprintf("Bench%d", first)), nil)
			for _, s := range specs(n)[first:min(first+perStack, n)] {
				table(stack, s)
			}
		}
	})
}

func table(stack awscdk.Stack, s dataset.Spec) {
	cols := make([]any, len(s.Columns))
	for i, c := range s.Columns {
		cols[i] = &awsglue.CfnTable_ColumnProperty{Name: jsii.String(c.Name), Type: jsii.String(string(c.Type))}
	}
	awsglue.NewCfnTable(stack, jsii.String(s.Name), &awsglue.CfnTableProps{
		CatalogId: stack.Account(), DatabaseName: jsii.String("bench_sales_cleaned"),
		TableInput: &awsglue.CfnTable_TableInputProperty{
			Name: jsii.String(s.Name), TableType: jsii.String("EXTERNAL_TABLE"),
			StorageDescriptor: &awsglue.CfnTable_StorageDescriptorProperty{
				Columns: &cols, Location: jsii.String("s3://bench/sales/" + s.Name),
			},
		},
	})
}

// renderManifest does in Go what a lake does with its declarations before the first construct.
func renderManifest(n int) {
	drop := ingestion.FileDrop{Datasets: specs(n)}
	if err := drop.Validate(); err != nil {
		panic(err)
	}
	m, err := dataset.NewManifest("bench", drop.Specs(), drop.Landings("Files"), nil)
	if err != nil {
		panic(err)
	}
	m.Hash()
}
