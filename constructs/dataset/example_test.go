package dataset_test

import (
	"fmt"
	"testing/fstest"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

func Example() {
	orders := dataset.Spec{
		Domain: "sales", Name: "orders", Owner: "sales-data", Doc: "One row per customer order.",
		Load: dataset.Upsert, Keys: []string{"o_orderkey"}, Sequence: "change_seq",
		Columns: []dataset.Column{
			{Name: "o_orderkey", Type: dataset.Bigint},
			{Name: "o_totalprice", Type: dataset.Decimal(15, 2), Rules: dataset.Rules{dataset.AtLeast(0)}},
			{Name: "o_clerk", Type: dataset.String, Class: dataset.Personal, Protect: dataset.Hash},
			{Name: "o_orderdate", Type: dataset.Date, Required: true},
			{Name: "change_seq", Type: dataset.Bigint},
		},
		Gate:      dataset.Gate{MaxQuarantinedShare: dataset.Share(0.05)},
		Freshness: 15 * time.Minute,
	}
	fmt.Println(orders.ID(), orders.Validate())
	// Output: sales.orders <nil>
}

func ExampleSpec_Validate() {
	orders := dataset.Spec{
		Domain: "sales", Name: "Orders", Load: dataset.Upsert, Keys: []string{"o_orderkey"},
		Columns: []dataset.Column{
			{Name: "o_orderkey", Type: dataset.Bigint, Rules: dataset.Rules{dataset.Pattern("^[0-9]+$")}},
			{Name: "o_clerk", Type: dataset.String, Class: dataset.Personal},
		},
	}
	fmt.Println(orders.Validate())
	// Output:
	// 4 problems:
	//   Columns[0].Rules[0]: a pattern judges text, but the column is of type bigint; got Pattern("^[0-9]+$"); allowed: a column of type string
	//   Columns[1].Protect: is missing; a personal column is not stored as it is; got none; allowed: Hash, HashUnder, Tokenise, Drop, Null, Mask, Prefix, Bucket, ToDay, ToMonth, ToQuarter, ToYear
	//   Name: is not a valid name; got "Orders"; allowed: a lower-case letter, then up to 62 lower-case letters, digits and _
	//   Sequence: is missing; an upsert needs the column that orders the changes of a key; allowed: an unprotected column of type bigint, int or timestamp that is no key
}

func ExampleModels() {
	models, err := dataset.Models(fstest.MapFS{
		"models/sales/open_orders.sql": {Data: []byte("-- Orders that are not shipped.\nSELECT * FROM {{ ref(\"sales.orders\") }} WHERE o_orderstatus = 'O'\n")},
	})
	fmt.Println(models[0].ID, models[0].Inputs, models[0].Doc, err)
	// Output: sales.open_orders [sales.orders] Orders that are not shipped. <nil>
}

func ExampleManifest_Route() {
	clicks := dataset.Spec{
		Domain: "web", Name: "clicks", Keys: []string{"id"}, Format: dataset.Parquet{},
		Columns: []dataset.Column{{Name: "id", Type: dataset.String}},
	}
	m, err := dataset.NewManifest("commerce", []dataset.Spec{clicks},
		[]dataset.Landing{{Prefix: "files/web/clicks/", Dataset: "web.clicks", Source: "Files"}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Route("files/web/clicks/2026/01.parquet"))
	fmt.Println(m.Route("files/unknown.csv"))
	// Output:
	// web.clicks true
	//  false
}

func ExampleSpec_DQDL() {
	payments := dataset.Spec{
		Domain: "sales", Name: "payments", Doc: "One row per payment.",
		Keys: []string{"id"},
		Columns: []dataset.Column{
			{Name: "id", Type: dataset.Bigint},
			{Name: "iban", Type: dataset.String, Rules: dataset.Rules{dataset.Pattern("^[A-Z]{2}[0-9]{2}"), dataset.Completeness(0.98)}},
			{Name: "net", Type: dataset.Decimal(12, 2), Rules: dataset.Rules{dataset.AtLeast(0), dataset.AtMost(10_000).Mostly(0.99).Warn()}},
			{Name: "vat", Type: dataset.Decimal(12, 2)},
			{Name: "total", Type: dataset.Decimal(12, 2)},
			{Name: "reference", Type: dataset.String, Rules: dataset.Rules{dataset.Uniqueness(1)}},
			{Name: "paid_at", Type: dataset.Timestamp, Rules: dataset.Rules{dataset.FreshWithin(24 * time.Hour).Warn()}},
		},
		Rules: dataset.Rules{
			dataset.Satisfies("total_adds_up", "net + vat = total"),
			dataset.RowCountWithin(3, 7),
			dataset.CustomSQL("not_all_free", "SELECT max(total) > 0 FROM {{ batch }}"),
		},
		Profile: true,
	}
	text, err := payments.DQDL()
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(text)
	// Output:
	// Rules = [
	//     IsComplete "id" labels=["policy"="quarantine"],
	//     ColumnValues "iban" matches "(?s).*(?:^[A-Z]{2}[0-9]{2}).*" where "iban is not null" labels=["policy"="quarantine"],
	//     Completeness "iban" >= 0.98 labels=["policy"="block"],
	//     ColumnValues "net" >= 0 where "net is not null" labels=["policy"="quarantine"],
	//     CustomSql "select avg(case when net > 10000 then 0.0 else 1.0 end) from primary" >= 0.99 labels=["policy"="warn"],
	//     Uniqueness "reference" >= 1 where "reference is not null" labels=["policy"="block"],
	//     # the lake judges by the moment a batch was claimed, this by now; DataFreshness would judge every row
	//     CustomSql "select unix_timestamp() - unix_timestamp(max(paid_at)) from primary" <= 86400 labels=["policy"="warn"],
	//     CustomSql "select count(*) from primary where not (net + vat = total)" = 0 labels=["policy"="quarantine"],
	//     # judged of a batch in the lake, of the whole table here; in AWS Glue ETL jobs only, as it looks back
	//     ((RowCount >= 0.3333333333333333 * avg(last(7))) and (RowCount <= 3 * avg(last(7)))) labels=["policy"="block"]
	//     # no rule: CustomSQL("not_all_free", "SELECT max(total) > 0 FROM {{ batch }}") has the batch and the table for inputs
	// ]
}
