package lake_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
)

// many is a lake with one file drop of n datasets over the first so many domains.
func many(n, domains int) *lake.Props {
	specs := make([]dataset.Spec, n)
	for i := range specs {
		specs[i] = spec(fmt.Sprintf("domain%d", i%domains), fmt.Sprintf("dataset%d", i))
	}
	return &lake.Props{Name: "shop", Sources: lake.Sources{"Files": ingestion.FileDrop{Datasets: specs}}}
}

// TestResourcesPerDomain holds that resources = a + b·domains, whatever the number of datasets, and that no policy grows
// with it.
func TestResourcesPerDomain(t *testing.T) {
	resources, policies := map[int]int{}, map[int]string{}
	for _, domains := range []int{1, 2, 3} {
		for _, n := range []int{1, 10, 100, 1000} {
			if n < domains {
				continue
			}
			tpl := minimised(t, many(n, domains))
			got, text := len(tpl.Resources("")), policyText(t, tpl)
			if _, seen := resources[domains]; !seen {
				resources[domains], policies[domains] = got, text
			}
			if got != resources[domains] {
				t.Errorf("%d datasets in %d domains: %d resources, want %d as with fewer", n, domains, got, resources[domains])
			}
			if text != policies[domains] {
				t.Errorf("%d datasets in %d domains: policies differ from those with fewer", n, domains)
			}
		}
	}
	b := resources[2] - resources[1]
	if b <= 0 || resources[3]-resources[2] != b {
		t.Errorf("resources are not a + b·domains: %v", resources)
	}
	if got, want := len(minimised(t, many(100, 5)).Resources("")), resources[1]+4*b; got != want {
		t.Errorf("5 domains: %d resources, want %d", got, want)
	}
	// Where a role's inline policy would outgrow IAM's limit, the CDK adds managed policies.
	wide := minimised(t, many(100, 20))
	if got, want := len(wide.Resources(""))-len(wide.Resources("AWS::IAM::ManagedPolicy")), resources[1]+19*b; got != want {
		t.Errorf("20 domains: %d resources beside managed policies, want %d", got, want)
	}
	t.Logf("resources = %d + %d·domains", resources[1]-b, b)
}

// minimised synthesises with the recommended feature flag that merges statements. Without it, statements of one principal
// stay apart, and the CDK moves what exceeds the size of an inline policy into managed ones, a few domains earlier.
func minimised(t *testing.T, props *lake.Props) cdktest.Template {
	t.Helper()
	stack := cdktest.NewStackWith(t, map[string]any{"@aws-cdk/aws-iam:minimizePolicies": true})
	lake.New(stack, "Lake", props)
	return cdktest.Synth(t, stack)
}

// policyText is every policy of the template without the hash of the manifest, which names an object.
func policyText(t *testing.T, tpl cdktest.Template) string {
	t.Helper()
	var manifest string
	for _, f := range tpl.Resources("AWS::Lambda::Function") {
		environment, _ := f.Properties()["Environment"].(map[string]any)
		variables, _ := environment["Variables"].(map[string]any)
		if key, ok := variables["MANIFEST_KEY"].(string); ok {
			manifest = key
		}
	}
	if manifest == "" {
		t.Fatal("no function knows the manifest's key")
	}
	var all []string
	for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::Role", "AWS::S3::BucketPolicy", "AWS::KMS::Key", "AWS::SQS::QueuePolicy"} {
		for _, r := range tpl.Resources(kind) {
			text, err := json.Marshal(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.ReplaceAll(string(text), manifest, "<manifest>"))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
