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

// TestErasureFromVaults holds that the job reaches the vaults of those who may be erased, and the keys of those alone by
// whose tokens they are known.
func TestErasureFromVaults(t *testing.T) {
	props := with(forget)
	s := &props.Sources["Files"].(ingestion.FileDrop).Datasets[0]
	s.Columns[len(s.Columns)-1].Protect = dataset.Tokenise("mail")
	s.Columns = append(s.Columns, dataset.Column{Name: "phone", Type: dataset.String, Protect: dataset.Tokenise("phones")})
	other := spec("supply", "parts")
	other.Columns = append(other.Columns, dataset.Column{Name: "maker", Type: dataset.String, Protect: dataset.Tokenise("makers")})
	props.Sources["Parts"] = ingestion.FileDrop{Datasets: []dataset.Spec{other}}
	tpl := synth(t, props)
	arguments := tpl.Named(t, "AWS::Glue::Job", "LakePipelineErase").Properties()["DefaultArguments"].(map[string]any)
	for argument, want := range map[string]string{"--vault_bucket": "${LakeVaultBucket}", "--token_keys": "mail=${LakeVaultsmailSecret}"} {
		if got := hash.ReplaceAllString(policytest.Flatten(arguments[argument]), ""); got != want {
			t.Errorf("%s is %s, want %s", argument, got, want)
		}
	}
	// What one policy has no room for is in a managed one.
	policy := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "LakePipelineErase").Body) + cdktest.JSON(tpl.Named(t, "AWS::IAM::ManagedPolicy", "LakePipelineErase").Body)
	for part, want := range map[string]bool{
		"shop_mail_vault": true, "shop_phones_vault": true, "shop_makers_vault": false, "LakeKeysVault": true,
		"LakeVaultsmailSecret": true, "LakeVaultsphonesSecret": false, "LakeVaultsmakersSecret": false,
	} {
		if got := strings.Contains(policy, part); got != want {
			t.Errorf("the job reaches %s: %v, want %v", part, got, want)
		}
	}
}
