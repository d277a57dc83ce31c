package consumption_test

import (
	"testing"
	"testing/fstest"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsathena"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/consumption"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
)

func TestWorkgroupProps(t *testing.T) {
	query := func(text string) fstest.MapFS { return fstest.MapFS{"open.sql": {Data: []byte(text)}} }
	manifest, err := dataset.NewManifest("shop", []dataset.Spec{{
		Domain: "sales", Name: "orders", Keys: []string{"id"}, Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}},
	}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	type props = consumption.WorkgroupProps
	cdktest.Effects(t,
		func(stack awscdk.Stack) props {
			return props{Name: "shop", Artifacts: zone(stack, "Artifacts")}
		},
		func(stack awscdk.Stack, p *props) { consumption.NewWorkgroup(stack, "Workgroup", p) },
		cdktest.Changes[props]{
			"Name": {}, "Artifacts": {},
			"Doc": {Do: func(_ awscdk.Stack, p *props) { p.Doc = "Mine." }},
			"Operations": {Do: func(s awscdk.Stack, p *props) {
				p.Operations = catalog.DatabaseFromAttributes(s, "Operations", catalog.DatabaseAttributes{Name: "shop_operations", Zone: p.Artifacts, Prefix: "ledger/"})
			}},
			"Queries": {Do: func(_ awscdk.Stack, p *props) { p.Queries = query("SELECT 1") }},
			"Manifest": {
				Given: func(_ awscdk.Stack, p *props) { p.Queries = query("SELECT 1") },
				Do: func(_ awscdk.Stack, p *props) {
					p.Queries, p.Manifest = query(`SELECT 1 FROM {{ ref("sales.orders") }}`), manifest
				},
			},
			"ScanLimit":     {Do: func(_ awscdk.Stack, p *props) { p.ScanLimit = 10_000_000 }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *props) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *props) {
				p.Configure = func(w *awsathena.CfnWorkGroupProps) { w.Description = jsii.String("Mine.") }
			}},
		})
}
