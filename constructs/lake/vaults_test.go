package lake_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

// tokenised is a lake with a dataset that is tokenised for each of the vaults, and one that is not.
func tokenised(vaults ...string) *lake.Props {
	s := spec("sales", "orders")
	for _, v := range vaults {
		s.Columns = append(s.Columns, dataset.Column{Name: "c_" + v, Type: dataset.String, Protect: dataset.Tokenise(v)})
	}
	return &lake.Props{Name: "shop", Models: files("sales/totals.sql", totals), Sources: lake.Sources{
		"Files": ingestion.FileDrop{Datasets: []dataset.Spec{s, spec("supply", "parts")}},
	}}
}

// TestVaults holds that a lake has what its vaults need and no more, and that of its jobs refine and maintain alone reach
// them while nobody may ask to be erased.
func TestVaults(t *testing.T) {
	for name, tt := range map[string]struct {
		vaults           []string
		bucket, keys     string
		secrets, reaches []string
	}{
		"none": {nil, "none", "none", nil, nil},
		"two": {[]string{"mail", "phones"}, "${LakeVaultBucket}", "mail=${LakeVaultsmailSecret},phones=${LakeVaultsphonesSecret}",
			[]string{"LakeVaultsmailSecret", "LakeVaultsphonesSecret"}, []string{"Refine", "Maintain"}},
	} {
		props := tokenised(tt.vaults...)
		tpl := synth(t, props)
		arguments := tpl.Named(t, "AWS::Glue::Job", "LakePipelineRefine").Properties()["DefaultArguments"].(map[string]any)
		for argument, want := range map[string]string{"--vault_bucket": tt.bucket, "--token_keys": tt.keys} {
			if got := hash.ReplaceAllString(policytest.Flatten(arguments[argument]), ""); got != want {
				t.Errorf("%s: %s is %s, want %s", name, argument, got, want)
			}
		}
		found := map[string][]string{}
		for _, kind := range []string{"AWS::SecretsManager::Secret", "AWS::Glue::Database", "AWS::Athena::WorkGroup", "AWS::KMS::Key", "AWS::S3::Bucket"} {
			for _, r := range tpl.Resources(kind) {
				if id := hash.ReplaceAllString(r.ID, ""); strings.Contains(id, "Vault") {
					found[kind] = append(found[kind], id)
				}
			}
			slices.Sort(found[kind])
		}
		if got := found["AWS::SecretsManager::Secret"]; !slices.Equal(got, tt.secrets) {
			t.Errorf("%s: secrets %v, want %v", name, got, tt.secrets)
		}
		for kind, shared := range map[string]bool{"AWS::Glue::Database": false, "AWS::Athena::WorkGroup": false, "AWS::KMS::Key": true, "AWS::S3::Bucket": true} {
			want := len(tt.vaults)
			if shared {
				want = min(want, 1)
			}
			if got := found[kind]; len(got) != want {
				t.Errorf("%s: %d vaults have of %s %v", name, len(tt.vaults), kind, got)
			}
		}
		for _, job := range []string{"Refine", "Publish", "Maintain"} {
			policy := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "LakePipeline"+job).Body)
			want := slices.Contains(tt.reaches, job)
			for _, part := range []string{"LakeVaultBucket", "LakeKeysVault", "_vault/*"} {
				if got := strings.Contains(policy, part); got != want {
					t.Errorf("%s: %s reaches %s: %v, want %v", name, job, part, got, want)
				}
			}
			if got := strings.Contains(policy, "LakeVaultsmailSecret"); got != (want && job == "Refine") {
				t.Errorf("%s: %s reads the keys of tokens: %v", name, job, got)
			}
		}
	}
}

func TestGrantDetokenise(t *testing.T) {
	props := tokenised("mail", "phones")
	got := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantDetokenise(who, "mail") })
	for _, want := range []string{
		"s3:GetObject on LakeVaultBucket/vault/mail/*", "s3:GetObject on LakeVaultBucket/athena/shop-vault-mail/*",
		"kms:Decrypt,kms:GenerateDataKey on LakeKeysVault", "table/shop_mail_vault/*", "workgroup/shop-vault-mail",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
	for _, closed := range []string{"phones", "Cleaned", "Curated", "Control", "workgroup/shop,", "LakeArtifacts", "glue:Update", "glue:Create", "secretsmanager"} {
		if strings.Contains(got, closed) {
			t.Errorf("whoever may detokenise reaches %s:\n%s", closed, got)
		}
	}
	joined := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantDetokenise(who, "mail", "sales") })
	for _, want := range []string{"table/shop_sales_cleaned/*", "table/shop_sales_curated/*", "s3:GetObject on LakeCleanedBucket/sales/*"} {
		if !strings.Contains(joined, want) {
			t.Errorf("want %q in\n%s", want, joined)
		}
	}
	if strings.Contains(joined, "supply") {
		t.Errorf("a domain that was not named is open:\n%s", joined)
	}
	read := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantRead(who) })
	if strings.Contains(strings.ToLower(read), "vault") {
		t.Errorf("GrantRead reaches a vault:\n%s", read)
	}
}

func TestDetokeniseRejections(t *testing.T) {
	for _, tt := range []struct {
		props  *lake.Props
		vault  string
		domain string
		want   []string
	}{
		{tokenised("mail"), "male", "sail", []string{`vault: is no vault of the lake; got "male"; allowed: mail`, `domain[0]: is no domain of the lake; got "sail"; allowed: sales, supply`}},
		{tokenised(), "mail", "sales", []string{`allowed: none: a column with Protect: dataset.Tokenise makes one`}},
	} {
		stack := cdktest.NewStack(t)
		l := lake.New(stack, "Lake", tt.props)
		err := cdktest.Rejected(t, func() { l.GrantDetokenise(awsiam.NewAccountRootPrincipal(), tt.vault, tt.domain) })
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("want %q in %v", want, err)
			}
		}
	}
}

func TestPipelineNeedsItsVaults(t *testing.T) {
	stack := cdktest.NewStack(t)
	specs := tokenised("mail").Sources["Files"].Specs()
	m, err := dataset.NewManifest("shop", specs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = (&processing.PipelineProps{Manifest: catalog.NewManifest(stack, "Manifest", m)}).Validate()
	for _, want := range []string{`Vaults["mail"].Database: is missing; allowed: catalog.NewDatabase`, `Vaults["mail"].Secret: is missing; allowed: security.NewHashSecret`} {
		if !strings.Contains(errorText(err), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
