package main

import (
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

var part = dataset.Spec{
	Domain: "supply", Name: "part", Owner: "catalogue", Doc: "One row per part on offer.",
	Load: dataset.Append, Keys: []string{"p_partkey"},
	Format: dataset.Parquet{},
	Columns: []dataset.Column{
		{Name: "p_partkey", Type: dataset.Bigint},
		{Name: "p_name", Type: dataset.String, Required: true},
		{Name: "p_mfgr", Type: dataset.String},
		{Name: "p_brand", Type: dataset.String, Rules: dataset.Rules{dataset.Pattern(`^Brand#[1-5][1-5]$`)}},
		{Name: "p_type", Type: dataset.String},
		{Name: "p_size", Type: dataset.Int, Rules: dataset.Rules{dataset.Between(1, 50)}},
		{Name: "p_container", Type: dataset.String},
		{Name: "p_retailprice", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.AtLeast(0)}},
		{Name: "p_comment", Type: dataset.String},
	},
	Gate: dataset.Gate{MaxQuarantinedShare: dataset.Share(0.10), MinRows: 1},
}

var supplier = dataset.Spec{
	Domain: "supply", Name: "supplier", Owner: "purchasing", Doc: "One row per supplier.",
	Load: dataset.Snapshot, Keys: []string{"s_suppkey"}, Deliveries: dataset.Deliveries{Stamp: time.DateOnly},
	Format: dataset.CSV{NoHeader: true, Delimiter: "|", NullValue: `\N`},
	Columns: []dataset.Column{
		{Name: "s_suppkey", Type: dataset.Bigint},
		{Name: "s_name", Type: dataset.String, Required: true},
		{Name: "s_address", Type: dataset.String},
		{Name: "s_nationkey", Type: dataset.Bigint, Required: true, Rules: dataset.Rules{dataset.Between(0, 24)}},
		{Name: "s_phone", Type: dataset.String, Rules: dataset.Rules{dataset.Pattern(`^[0-9]{2}-[0-9]{3}-[0-9]{3}-[0-9]{4}$`)}},
		{Name: "s_acctbal", Type: dataset.Decimal(15, 2)},
		{Name: "s_comment", Type: dataset.String},
	},
	Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.25), MaxDeletedShare: dataset.Share(0.10)},
	Freshness: 15 * time.Minute,
}

var partSupplier = dataset.Spec{
	Domain: "supply", Name: "partsupp", Owner: "purchasing", Doc: "One row per part and supplier: stock and cost.",
	Load: dataset.Upsert, Keys: []string{"ps_partkey", "ps_suppkey"}, Sequence: "change_seq",
	Format:      dataset.Parquet{},
	TableFormat: dataset.Delta, // for whoever reads it with Databricks
	Columns: []dataset.Column{
		{Name: "ps_partkey", Type: dataset.Bigint},
		{Name: "ps_suppkey", Type: dataset.Bigint},
		{Name: "ps_availqty", Type: dataset.Int, Rules: dataset.Rules{dataset.Between(0, 9999)}},
		{Name: "ps_supplycost", Type: dataset.Decimal(15, 2), Required: true, Rules: dataset.Rules{dataset.AtLeast("0.01")}},
		{Name: "ps_comment", Type: dataset.String},
		{Name: "change_seq", Type: dataset.Bigint, Doc: "Position in the source's change log."},
	},
	Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.10)},
	Freshness: 15 * time.Minute,
}
