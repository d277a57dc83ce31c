package lake_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

// forget declares whom the orders are about.
func forget(p *lake.Props) {
	s := spec("sales", "orders")
	s.Columns = append(s.Columns, dataset.Column{Name: "customer", Type: dataset.String})
	s.Subject = dataset.Subject{Name: "customer", Column: "customer"}
	p.Sources = lake.Sources{"Files": ingestion.FileDrop{Datasets: []dataset.Spec{s}}}
	p.RawRetention = 30 * 24 * time.Hour
}

// TestErasure holds that what erases people is there when a dataset says whom its rows are about, and only then.
func TestErasure(t *testing.T) {
	plain := synth(t, minimal())
	for _, kind := range []string{"AWS::Glue::Job", "AWS::StepFunctions::StateMachine", "AWS::SecretsManager::Secret"} {
		for _, r := range plain.Resources(kind) {
			if strings.Contains(r.ID, "Eras") {
				t.Errorf("nobody can be erased, but there is %s", r.ID)
			}
		}
	}
	stack := cdktest.NewStack(t)
	operator := awsiam.NewRole(stack, jsii.String("Operator"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	lake.New(stack, "Lake", with(forget)).GrantErase(operator)
	tpl := cdktest.Synth(t, stack)
	machine := tpl.Named(t, "AWS::StepFunctions::StateMachine", "LakePipelineErasure").Properties()["DefinitionString"].(string)
	if strings.Contains(machine, `"Publish"`) || !strings.Contains(machine, `"End":true`) {
		t.Errorf("a lake without models has nothing to publish: %s", machine)
	}
	for _, job := range []string{"Refine", "Erase"} {
		arguments := tpl.Named(t, "AWS::Glue::Job", "LakePipeline"+job).Properties()["DefaultArguments"].(map[string]any)
		if got := hash.ReplaceAllString(policytest.Flatten(arguments["--erasure_secret"]), ""); got != "${LakeErasureSecret}" {
			t.Errorf("%s: erasure_secret is %s", job, got)
		}
	}
	policy := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "Operator").Body)
	for _, want := range []string{"states:StartExecution", "/erasures/requests/*"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the operator lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "s3:GetObject") {
		t.Errorf("the operator reads data: %s", policy)
	}
	wild := slices.DeleteFunc(policytest.Wildcards(tpl), func(found string) bool { return !strings.Contains(found, "PipelineEraseRole") })
	if found := slices.Concat(wild, policytest.Nag(stack)); len(found) > 0 {
		t.Errorf("unwanted: %s", strings.Join(found, "\n"))
	}
	err := cdktest.Rejected(t, func() { lake.New(cdktest.NewStack(t), "Lake", minimal()).GrantErase(operator) })
	if !strings.Contains(err.Error(), "no dataset says whom its rows are about") {
		t.Errorf("got %v", err)
	}
}
