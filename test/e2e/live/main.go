// Command live is the small lake of the end-to-end tests on sources that fail: two tables of a PostgreSQL database that are
// replicated, and a stream of two datasets. Context values change the declaration: generation numbers the full load,
// max_lob is the longest text in KiB, more=yes declares two further datasets of the stream.
package main

import (
	"strconv"
	"time"

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
		stack := awscdk.NewStack(app, jsii.String("Live"), nil)
		events := []dataset.Spec{event("clicks", "url"), taps}
		if app.Node().TryGetContext(jsii.String("more")) != nil {
			events = append(events, event("signups", "plan"), event("trials", "plan"))
		}
		lake.New(stack, "Lake", &lake.Props{
			Name: "live",
			Sources: lake.Sources{
				"Erp": ingestion.Replication{
					From:       database(stack),
					Datasets:   []dataset.Spec{products, notes},
					Generation: number(app, "generation", 1),
					MaxLOB:     number(app, "max_lob", 1),
				},
				"Web": ingestion.Stream{Datasets: events, RouteBy: "d", Buffer: ingestion.Buffer{Interval: time.Minute}},
			},
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

var products = dataset.Spec{
	Domain: "shop", Name: "products", Doc: "One row per product.",
	Load: dataset.CDC, Keys: []string{"id"},
	Columns: []dataset.Column{
		{Name: "id", Type: dataset.Bigint},
		{Name: "name", Type: dataset.String, Required: true},
		{Name: "price", Type: dataset.Decimal(10, 2)},
	},
}

var notes = dataset.Spec{
	Domain: "shop", Name: "notes", Doc: "One row per note that somebody wrote.",
	Load: dataset.CDC, Keys: []string{"id"},
	Columns: []dataset.Column{
		{Name: "id", Type: dataset.Bigint},
		{Name: "body", Type: dataset.String},
	},
}

var taps = dataset.Spec{
	Domain: "web", Name: "taps", Doc: "One row per tap, of which there are very many.",
	Keys:    []string{"id"},
	Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}},
}

// event is a dataset of events with a text column of its own beside the common ones. An event of another dataset, or of
// none, would fit it but for its route.
func event(name, text string) dataset.Spec {
	return dataset.Spec{
		Domain: "web", Name: name, Doc: "One row per event.",
		Keys: []string{"event_id"},
		Columns: []dataset.Column{
			{Name: "event_id", Type: dataset.String},
			{Name: text, Type: dataset.String, Required: true},
			{Name: "amount", Type: dataset.Decimal(10, 2)},
		},
	}
}

func number(app awscdk.App, name string, missing int) int {
	text, ok := app.Node().TryGetContext(jsii.String(name)).(string)
	if !ok {
		return missing
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		return -1 // the declaration's own check names it
	}
	return value
}
