// Command app is the small lake of the end-to-end tests: one keyed table with a model over it, one in Delta, one in Hudi, ten feeds of
// which one is declared wrongly, one dataset with a strict gate, one that is tokenised, one about people, and one of
// each further kind of load. SHOP_MENDED=1
// declares the wrong feed and the gate right.
package main

import (
	"embed"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
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
		made := lake.New(stack, "Lake", &lake.Props{
			Name:   "shop",
			Models: models,
			Sources: lake.Sources{
				"Files": ingestion.FileDrop{Datasets: append(feeds(mended), items(), orders(mended), stock(), aisles(), sellers(), visits(), rates(), trips(), stops(), meters())},
			},
			RawRetention: 30 * 24 * time.Hour,
			Pipeline:     processing.Settings{Lease: time.Minute, MaxAttempts: 4},
		})
		person := func(id string) awsiam.Role {
			return awsiam.NewRole(stack, jsii.String(id), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
		}
		made.GrantRead(person("Analyst"), "shop")
		made.GrantDetokenise(person("Clerk"), "sellers")
		made.GrantDetokenise(person("Auditor"), "sellers", "shop")
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

// stock and aisles have the columns of items, in tables of other formats.
func stock() dataset.Spec {
	spec := items()
	spec.Name, spec.Doc, spec.TableFormat, spec.Freshness = "stock", "One row per item in store.", dataset.Delta, 0
	return spec
}

func aisles() dataset.Spec {
	spec := items()
	spec.Name, spec.Doc, spec.TableFormat, spec.Freshness = "aisles", "One row per item on an aisle.", dataset.Hudi, 0
	return spec
}

// sellers are known by tokens: of their keys, and of those whom they stand in for.
func sellers() dataset.Spec {
	vault := dataset.Tokenise("sellers")
	return dataset.Spec{
		Domain: "shop", Name: "sellers", Doc: "One row per seller.",
		Load: dataset.Upsert, Keys: []string{"tax_id"}, Sequence: "change_seq",
		Columns: []dataset.Column{
			{Name: "tax_id", Type: dataset.Bigint, Class: dataset.Personal, Protect: vault},
			{Name: "change_seq", Type: dataset.Bigint},
			{Name: "stands_in_for", Type: dataset.Bigint, Class: dataset.Personal, Protect: vault},
			{Name: "since", Type: dataset.Date, Required: true},
		},
	}
}

// visits are about people, who may ask to be erased, from the vault of the sellers as well.
func visits() dataset.Spec {
	return dataset.Spec{
		Domain: "shop", Name: "visits", Doc: "One row per visit.", Keys: []string{"id"},
		Columns: []dataset.Column{
			{Name: "id", Type: dataset.Bigint},
			{Name: "visitor", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Hash},
			{Name: "page", Type: dataset.String, Rules: dataset.Rules{dataset.OneOf("home", "cart")}},
			{Name: "mail", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Tokenise("sellers")},
		},
		Subject: dataset.Subject{Name: "visitor", Column: "visitor"},
	}
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

// rates come whole each time, with the hour in their keys.
func rates() dataset.Spec {
	return dataset.Spec{
		Domain: "kinds", Name: "rates", Doc: "One row per currency.",
		Load: dataset.Snapshot, Keys: []string{"currency"}, Deliveries: dataset.Deliveries{Stamp: "20060102T15"},
		Format:  dataset.JSON{},
		Columns: []dataset.Column{{Name: "currency", Type: dataset.String}, {Name: "rate", Type: dataset.Decimal(12, 6)}},
	}
}

// trips and stops are tables of a database whose changes a task of somebody else writes, as files and as messages.
func trips() dataset.Spec {
	return dataset.Spec{
		Domain: "kinds", Name: "trips", Doc: "One row per trip.",
		Load: dataset.CDC, Keys: []string{"id"}, Format: dataset.DMSCSV{},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, {Name: "driver", Type: dataset.String}},
	}
}

func stops() dataset.Spec {
	s := trips()
	s.Name, s.Doc, s.Format = "stops", "One row per stop.", dataset.DMSJSON{Table: "public.stops"}
	return s
}

// meters have no key, and columns that nobody knows beforehand.
func meters() dataset.Spec {
	return dataset.Spec{
		Domain: "kinds", Name: "meters", Doc: "One row per reading.", Drift: dataset.Evolve,
		Columns: []dataset.Column{{Name: "place", Type: dataset.String}, {Name: "reading", Type: dataset.Int}},
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
