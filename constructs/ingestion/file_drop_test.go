package ingestion_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
)

func TestFolder(t *testing.T) {
	for id, want := range map[string]string{
		"Files": "files/", "ErpOrders": "erp-orders/", "ERPOrders": "erp-orders/", "Erp2Files": "erp2-files/", "A": "a/",
		"FilesFromEDI": "files-from-edi/",
	} {
		if got := ingestion.Folder(id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}

func TestCheckID(t *testing.T) {
	for id, ok := range map[string]bool{
		"Files": true, "F": true, "F" + strings.Repeat("i", 30): true,
		"": false, "files": false, "My-Files": false, "F" + strings.Repeat("i", 31): false, "Fi les": false, "Ö": false,
	} {
		if err := ingestion.CheckID(id); (err == nil) != ok {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

func TestFileDropLandings(t *testing.T) {
	drop := ingestion.FileDrop{Datasets: []dataset.Spec{{Domain: "sales", Name: "orders"}, {Domain: "supply", Name: "parts"}}}
	got := drop.Landings("ErpFiles")
	want := []dataset.Landing{
		{Prefix: "erp-files/sales/orders/", Dataset: "sales.orders", Source: "ErpFiles"},
		{Prefix: "erp-files/supply/parts/", Dataset: "supply.parts", Source: "ErpFiles"},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFileDropValidate(t *testing.T) {
	bad := ingestion.FileDrop{Datasets: []dataset.Spec{{Domain: "Sales", Name: "orders"}}, Senders: []awsiam.IGrantable{nil}}
	err := bad.Validate()
	for _, want := range []string{"Datasets[0].Domain", "Datasets[0].Columns", "Senders[0]: is nil"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
	changes := ingestion.FileDrop{Datasets: []dataset.Spec{events("orders", nil), events("parts", func(s *dataset.Spec) { s.Load = dataset.CDC })}}
	const want = `Datasets[1].Load: is not for files of this format, which keep no order of changes; got cdc; allowed: Format: dataset.DMSCSV{}`
	if err := changes.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Datasets[0]") {
		t.Errorf("changes as files: want %q in %v", want, err)
	}
	for _, format := range []dataset.Format{dataset.DMSCSV{}, dataset.DMSJSON{Table: "public.orders"}} {
		ordered := ingestion.FileDrop{Datasets: []dataset.Spec{events("orders", func(s *dataset.Spec) { s.Load, s.Format = dataset.CDC, format })}}
		if err := ordered.Validate(); err != nil {
			t.Errorf("%T: %v", format, err)
		}
		if at := ordered.Landings("Files")[0]; at.Generation == nil || *at.Generation != 1 {
			t.Errorf("%T: landing %+v", format, at)
		}
	}
	if err := (ingestion.FileDrop{}).Validate(); err == nil || !strings.Contains(err.Error(), "Datasets: is empty") {
		t.Errorf("no datasets: %v", err)
	}
	var none *ingestion.FileDropProps
	if err := none.Validate(); err == nil || !strings.Contains(err.Error(), "Raw: is missing") {
		t.Errorf("nil props: %v", err)
	}
}
