package inbox

import (
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

func TestPartition(t *testing.T) {
	routes := &dataset.Manifest{Landing: []dataset.Landing{
		{Prefix: "files/sales/", Dataset: "sales.all"}, {Prefix: "files/sales/orders/", Dataset: "sales.orders"}}}
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
		{"files/sales/orders/", ledger.Ignored},
		{"files/sales/orders/_SUCCESS", ledger.Ignored},
		{"files/sales/orders/.part.crc", ledger.Ignored},
		{"elsewhere/_manifest", ledger.Ignored},
	}
	for _, tt := range tests {
		if got := Partition(routes, tt.give); got != tt.want {
			t.Errorf("Partition(%q) = %q, want %q", tt.give, got, tt.want)
		}
	}
}
