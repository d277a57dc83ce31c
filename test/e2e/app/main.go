// Command app is the small lake of the end-to-end tests: one keyed table with a model over it, one in Delta, ten feeds of which one
// is declared wrongly, and one dataset with a strict gate. SHOP_MENDED=1 declares the wrong feed and the gate right.
package main

import (
	"embed"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/processing"
)

//go:embed models
var models embed.FS

const poison = 3

func main() {
	mended := os.Getenv("SHOP_MENDED") == "1"
	lake.Main(func(app awscdk.App) {
		stack := awscdk.NewStack(app, jsii.String("Shop"), nil)
		lake.New(stack, "Lake", &lake.Props{
			Name:   "shop",
			Models: models,
			Sources: lake.Sources{
				"Files": ingestion.FileDrop{Datasets: append(feeds(mended), items(), orders(mended), stock())},
			},
			Pipeline: processing.Settings{Lease: time.Minute, MaxAttempts: 4},
		})
	})
}

func items() dataset.Spec {
	return dataset.Spec{
		Domain: "shop", Name: "items", Doc: "One row per item on sale.",
		Load: dataset.Upsert, Keys: []string{"id"}, Sequence: "change_seq",
		Columns: []dataset.Column{
			{Name: "id", Type: dataset.Bigint},
			{Name: "change_seq", Type: dataset.Bigint},
			{Name: "kind", Type: dataset.String, Rules: dataset.Rules{dataset.OneOf("book", "game")}},
			{Name: "price", Type: dataset.Decimal(10, 2), Rules: dataset.Rules{dataset.AtLeast(0), dataset.AtMost(1000).Warn()}},
		},
		Freshness: 4 * time.Minute,
	}
}

// stock has the columns of items, in a table of another format.
func stock() dataset.Spec {
	spec := items()
	spec.Name, spec.Doc, spec.TableFormat, spec.Freshness = "stock", "One row per item in store.", dataset.Delta, 0
	return spec
}

// orders blocks any batch with a bad row until its gate is mended.
func orders(mended bool) dataset.Spec {
	share := 0.0
	if mended {
		share = 0.5
	}
	return dataset.Spec{
		Domain: "shop", Name: "orders", Doc: "One row per order.",
		Keys: []string{"id"},
		Columns: []dataset.Column{
			{Name: "id", Type: dataset.Bigint},
			{Name: "item", Type: dataset.Bigint, Required: true},
		},
		Gate: dataset.Gate{MaxQuarantinedShare: dataset.Share(share)},
	}
}

// feeds are ten datasets of CSV files; until mended, one of them is declared as Parquet.
func feeds(mended bool) []dataset.Spec {
	var specs []dataset.Spec
	for i := range 10 {
		feed := dataset.Spec{
			Domain: "feeds", Name: fmt.Sprintf("feed%d", i), Doc: "One row per reading.",
			Keys: []string{"id"},
			Columns: []dataset.Column{
				{Name: "id", Type: dataset.Bigint},
				{Name: "reading", Type: dataset.Double, Rules: dataset.Rules{dataset.Completeness(0.5)}},
			},
		}
		if i == poison && !mended {
			feed.Format = dataset.Parquet{}
		}
		specs = append(specs, feed)
	}
	return specs
}
