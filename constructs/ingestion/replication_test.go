package ingestion_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
)

func replicated(name string) dataset.Spec {
	return dataset.Spec{Domain: "sales", Name: name, Load: dataset.CDC, Keys: []string{"id"}, Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}}}
}

func erp(change func(*ingestion.Replication)) ingestion.Replication {
	r := ingestion.Replication{
		From:     ingestion.Postgres{Secret: struct{ awssecretsmanager.ISecret }{}, Database: "erp", Vpc: struct{ awsec2.IVpc }{}},
		Datasets: []dataset.Spec{replicated("orders"), replicated("items")},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func TestReplicationSpecsAndLandings(t *testing.T) {
	r := erp(func(r *ingestion.Replication) {
		r.Generation, r.Schema, r.Tables = 2, "Shop", map[string]string{"sales.items": "order_Items"}
	})
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	for i, s := range r.Specs() {
		if s.Format != (dataset.DMS{}) || r.Datasets[i].Format != nil {
			t.Errorf("dataset %d: completed %v, given %v", i, s.Format, r.Datasets[i].Format)
		}
	}
	var got []string
	for _, at := range r.Landings("ErpDb") {
		got = append(got, fmt.Sprintf("%s %s %s %d", at.Prefix, at.Dataset, at.Source, *at.Generation))
	}
	want := []string{"erp-db/g1/Shop/orders/ sales.orders ErpDb 1", "erp-db/g1/Shop/order_Items/ sales.items ErpDb 1",
		"erp-db/g2/Shop/orders/ sales.orders ErpDb 2", "erp-db/g2/Shop/order_Items/ sales.items ErpDb 2"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if _, err := dataset.NewManifest("shop", r.Specs(), r.Landings("ErpDb"), nil); err != nil {
		t.Error(err)
	}
	ordered := erp(func(r *ingestion.Replication) { r.PreserveTransactions = true })
	if f := ordered.Specs()[1].Format; f != (dataset.DMS{Transactions: true}) {
		t.Errorf("with transaction files the format is %v", f)
	}
	if at := erp(nil).Landings("Erp"); len(at) != 2 || at[0].Prefix != "erp/g1/public/orders/" {
		t.Errorf("by default: %v", at)
	}
}

func TestReplicationValidate(t *testing.T) {
	tests := []struct {
		name string
		give func(*ingestion.Replication)
		want []string
	}{
		{"as it is", nil, nil},
		{"everything set", func(r *ingestion.Replication) {
			r.Generation, r.Mode, r.MaxCapacity, r.MaxLOB, r.MaxLatency = 999, ingestion.ChangesOnly, 384, 102400, time.Hour
			r.From.Port, r.From.SSL = 5433, ingestion.SSLNone
			r.Datasets[0].Format = dataset.DMS{}
		}, nil},
		{"nothing", func(r *ingestion.Replication) { *r = ingestion.Replication{} }, []string{
			"Datasets: is empty", "From.Database: is no database name", "From.Secret: is missing", "From.Vpc: is missing"}},
		{"database", func(r *ingestion.Replication) {
			r.From.Database, r.From.Port, r.From.SSL, r.From.SecurityGroups = "a/b", 70000, "verify", []awsec2.ISecurityGroup{nil}
		}, []string{`From.Database: is no database name; got "a/b"`, "From.Port: is out of range; got 70000", `From.SSL: is no mode; got "verify"`,
			"From.SecurityGroups[0]: is nil"}},
		{"datasets", func(r *ingestion.Replication) {
			r.Datasets = []dataset.Spec{replicated("orders"), {Domain: "sales", Name: "rows", Keys: []string{"id"}, Columns: r.Datasets[0].Columns, Format: dataset.CSV{}},
				{Domain: "web", Name: "orders", Load: dataset.CDC, Keys: []string{"id"}, Columns: r.Datasets[0].Columns}}
		}, []string{"Datasets[1].Format: is not what a replication delivers; got \"CSV\"", "Datasets[1].Load: is not what a replication delivers",
			"Datasets[2]: is of the same table as Datasets[0]; got \"orders\""}},
		{"tables", func(r *ingestion.Replication) {
			r.Schema, r.Tables = "pub%", map[string]string{"sales.items": "it ems", "sales.gone": "gone"}
		}, []string{`Schema: is no name a replication can follow; got "pub%"`, `Tables["sales.gone"]: is no dataset of the source`,
			`Tables["sales.items"]: is no name a replication can follow; got "it ems"`}},
		{"settings", func(r *ingestion.Replication) {
			r.Generation, r.Mode, r.MaxCapacity, r.MaxLOB, r.MaxLatency, r.PreserveTransactions = 1000, "both", 3, -1, 90*time.Second, true
		}, []string{"Generation: is out of range; got 1000", "MaxCapacity: is no capacity DMS has; got 3; allowed: 1 2 4 8", "MaxLOB: is out of range; got -1",
			"MaxLatency: is no number of whole minutes; got 1m30s", `Mode: is no mode; got "both"`}},
		{"transactions", func(r *ingestion.Replication) { r.PreserveTransactions = true }, nil},
		{"transactions of a load, and another format", func(r *ingestion.Replication) {
			r.PreserveTransactions, r.Mode, r.Datasets[1].Format = true, ingestion.LoadOnly, dataset.DMS{}
		}, []string{"Datasets[1].Format: is not what a replication delivers; got \"DMS\"", "PreserveTransactions: has no effect on a load; got true"}},
	}
	for _, tt := range tests {
		err := erp(tt.give).Validate()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
			continue
		}
		if err == nil {
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), "\n  "+want) {
				t.Errorf("%s: want %q in %v", tt.name, want, err)
			}
		}
		if strings.Count(err.Error(), "\n") != len(tt.want) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
		}
	}
	var none *ingestion.ReplicationProps
	for _, want := range []string{"Manifest: is missing", "Raw: is missing", "Ledger: is missing", "Waker: is missing", "Alarms: is missing"} {
		if err := none.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nil props: want %q in %v", want, err)
		}
	}
}
