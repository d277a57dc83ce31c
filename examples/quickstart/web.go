package main

import (
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

var webEvents = dataset.Spec{
	Domain: "web", Name: "events", Owner: "shop-front", Doc: "One row per click, basket or purchase in the shop.",
	Load: dataset.Append, Keys: []string{"event_id"},
	Columns: []dataset.Column{
		{Name: "event_id", Type: dataset.String},
		{Name: "event_type", Type: dataset.String, Required: true, Rules: dataset.Rules{dataset.OneOf("view", "cart", "purchase")}},
		{Name: "c_custkey", Type: dataset.Bigint},
		{Name: "url", Type: dataset.String},
		{Name: "amount", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.AtLeast(0)}},
		{Name: "occurred_at", Type: dataset.Timestamp, Required: true},
	},
	Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.10)},
	Freshness: 15 * time.Minute,
}
