package inbox

import (
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

func TestPartition(t *testing.T) {
	generation := 2
	routes := &dataset.Manifest{Landing: []dataset.Landing{
		{Prefix: "files/sales/", Dataset: "sales.all"}, {Prefix: "files/sales/orders/", Dataset: "sales.orders"},
		{Prefix: "crm/g2/public/people/", Dataset: "crm.people", Generation: &generation},
		{Prefix: "erp/g2/public/items/", Dataset: "erp.items", Generation: &generation}},
		Datasets: []dataset.Entry{{ID: "crm.people", Format: dataset.FileFormat{Kind: "dms_parquet"}},
			{ID: "erp.items", Format: dataset.FileFormat{Kind: dataset.KindTransactions}}}}
	tests := []struct{ give, want string }{
		{"files/sales/orders/a.csv", "sales.orders"},
		{"files/sales/orders", "sales.all"},
		{"files/sales/orders/x/y z+ä.csv.gz", "sales.orders"},
		{"files/sales/_orders/a.csv", "sales.all"},
		{"files/other/a.csv", ledger.Unroutable},
		{"files-errors/processing-failed/2026/a.gz", ledger.Failed},
		{"files-errors/processing-failed/", ledger.Ignored},
		{"files-errorsome/a.gz", ledger.Unroutable},
		{"other-errors/processing-failed/a.gz", ledger.Unroutable},
		{"a.csv", ledger.Unroutable},
		{"corrections/sales/orders/fix.jsonl", ledger.Ignored},
		{"correctionsome/sales/orders/fix.jsonl", ledger.Unroutable},
		{"files/sales/orders/", ledger.Ignored},
		{"files/sales/orders/_SUCCESS", ledger.Ignored},
		{"files/sales/orders/.part.crc", ledger.Ignored},
		{"elsewhere/_manifest", ledger.Ignored},
		{"erp/g2/public/items/CDC_TXN-1.csv", "erp.items"},
		{"erp/g2/cdc-transactions/CDC_TXN-20261121191500123.csv", ledger.Transactions},
		{"erp/g2/cdc-transactions/", ledger.Ignored},
		{"erp/g1/cdc-transactions/CDC_TXN-20261121191500123.csv", ledger.Unroutable},
		{"crm/g2/cdc-transactions/CDC_TXN-20261121191500123.csv", ledger.Unroutable},
	}
	for _, tt := range tests {
		if got := Partition(routes, tt.give); got != tt.want {
			t.Errorf("Partition(%q) = %q, want %q", tt.give, got, tt.want)
		}
	}
}
