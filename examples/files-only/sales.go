package main

import (
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

var customer = dataset.Spec{
	Domain: "sales", Name: "customer", Owner: "crm", Doc: "One row per customer.",
	Load: dataset.Upsert, Keys: []string{"c_custkey"}, Sequence: "change_seq",
	Columns: []dataset.Column{
		{Name: "c_custkey", Type: dataset.Bigint},
		{Name: "c_name", Type: dataset.String, Required: true, Rules: dataset.Rules{dataset.Pattern(`^Customer#[0-9]{9}$`)}},
		{Name: "c_address", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Hash},
		{Name: "c_nationkey", Type: dataset.Bigint, Required: true, Rules: dataset.Rules{dataset.Between(0, 24)}},
		{Name: "c_phone", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Tokenise("customers")},
		{Name: "c_acctbal", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.Between(-1000, 10_000)}},
		{Name: "c_mktsegment", Type: dataset.String, Rules: dataset.Rules{
			dataset.OneOf("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")}},
		{Name: "c_comment", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Drop},
		{Name: "change_seq", Type: dataset.Bigint, Doc: "Position in the source's change log."},
	},
	Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.10)},
	Freshness: 15 * time.Minute,
}

var orders = dataset.Spec{
	Domain: "sales", Name: "orders", Owner: "order-desk", Doc: "One row per customer order.",
	Load: dataset.Upsert, Keys: []string{"o_orderkey"}, Sequence: "change_seq",
	Columns: []dataset.Column{
		{Name: "o_orderkey", Type: dataset.Bigint},
		{Name: "o_custkey", Type: dataset.Bigint, Required: true},
		{Name: "o_orderstatus", Type: dataset.String, Rules: dataset.Rules{dataset.OneOf("F", "O", "P")}},
		{Name: "o_totalprice", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.AtLeast(0)}},
		{Name: "o_orderdate", Type: dataset.Date, Required: true, Rules: dataset.Rules{dataset.Between("1992-01-01", "1998-12-31")}},
		{Name: "o_orderpriority", Type: dataset.String, Rules: dataset.Rules{dataset.Pattern(`^[1-5]-[A-Z ]+$`)}},
		{Name: "o_clerk", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Hash},
		{Name: "o_shippriority", Type: dataset.Int},
		{Name: "o_comment", Type: dataset.String},
		{Name: "change_seq", Type: dataset.Bigint, Doc: "Position in the source's change log."},
	},
	Rules:     dataset.Rules{dataset.UniqueKey()},
	Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.10)},
	Freshness: 15 * time.Minute,
}

var lineItem = dataset.Spec{
	Domain: "sales", Name: "lineitem", Owner: "order-desk", Doc: "One row per line of an order; a line never changes.",
	Load: dataset.Append, Keys: []string{"l_orderkey", "l_linenumber"},
	Format: dataset.Parquet{},
	Columns: []dataset.Column{
		{Name: "l_orderkey", Type: dataset.Bigint},
		{Name: "l_partkey", Type: dataset.Bigint, Required: true},
		{Name: "l_suppkey", Type: dataset.Bigint, Required: true},
		{Name: "l_linenumber", Type: dataset.Int},
		{Name: "l_quantity", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.Between(1, 50)}},
		{Name: "l_extendedprice", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.AtLeast(0)}},
		{Name: "l_discount", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.Between("0", "0.10")}},
		{Name: "l_tax", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.Between("0", "0.08")}},
		{Name: "l_returnflag", Type: dataset.String, Rules: dataset.Rules{dataset.OneOf("A", "N", "R")}},
		{Name: "l_linestatus", Type: dataset.String, Rules: dataset.Rules{dataset.OneOf("F", "O")}},
		{Name: "l_shipdate", Type: dataset.Date, Required: true},
		{Name: "l_commitdate", Type: dataset.Date},
		{Name: "l_receiptdate", Type: dataset.Date},
		{Name: "l_shipinstruct", Type: dataset.String},
		{Name: "l_shipmode", Type: dataset.String},
		{Name: "l_comment", Type: dataset.String},
	},
	Rules:     dataset.Rules{dataset.UniqueKey()},
	Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.10)},
	Freshness: 15 * time.Minute,
}
