package lake_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

// TestHashKeys holds that refine gets the secret of each key that a column is hashed under, and reads no other.
func TestHashKeys(t *testing.T) {
	for name, tt := range map[string]struct {
		protect        []dataset.Protection
		secret, keys   string
		secrets, reads []string
	}{
		"none": {[]dataset.Protection{dataset.Drop}, "none", "none", nil, nil},
		"own":  {[]dataset.Protection{dataset.Hash}, "${LakeHashSecret}", "none", []string{"LakeHashSecret"}, []string{"LakeHashSecret"}},
		"all": {[]dataset.Protection{dataset.HashUnder("2027"), dataset.HashUnder("crm"), dataset.Hash, dataset.HashUnder("crm")},
			"${LakeHashSecret}", "2027=${LakeHashKeys2027},crm=${LakeHashKeyscrm}",
			[]string{"LakeHashKeys2027", "LakeHashKeyscrm", "LakeHashSecret"}, []string{"LakeHashSecret", "LakeHashKeys2027", "LakeHashKeyscrm"}},
		"named": {[]dataset.Protection{dataset.HashUnder("2027")}, "none", "2027=${LakeHashKeys2027}", []string{"LakeHashKeys2027"}, []string{"LakeHashKeys2027"}},
	} {
		tpl := synth(t, with(func(p *lake.Props) {
			s := spec("sales", "orders")
			for i, protect := range tt.protect {
				s.Columns = append(s.Columns, dataset.Column{Name: "c" + string(rune('a'+i)), Type: dataset.String, Protect: protect})
			}
			p.Sources = lake.Sources{"Files": ingestion.FileDrop{Datasets: []dataset.Spec{s}}}
		}))
		arguments := tpl.Named(t, "AWS::Glue::Job", "LakePipelineRefine").Properties()["DefaultArguments"].(map[string]any)
		for argument, want := range map[string]string{"--hash_secret": tt.secret, "--hash_keys": tt.keys} {
			if got := hash.ReplaceAllString(policytest.Flatten(arguments[argument]), ""); got != want {
				t.Errorf("%s: %s is %s, want %s", name, argument, got, want)
			}
		}
		var secrets []string
		for _, r := range tpl.Resources("AWS::SecretsManager::Secret") {
			secrets = append(secrets, hash.ReplaceAllString(r.ID, ""))
		}
		slices.Sort(secrets)
		if !slices.Equal(secrets, tt.secrets) {
			t.Errorf("%s: secrets %v, want %v", name, secrets, tt.secrets)
		}
		policy := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "LakePipelineRefine").Body)
		if got := strings.Count(policy, "secretsmanager:GetSecretValue"); (got == 0) != (len(tt.reads) == 0) {
			t.Errorf("%s: refine's policy names the action %d times", name, got)
		}
		for _, secret := range tt.reads {
			if !strings.Contains(policy, `"Ref": "`+secret) {
				t.Errorf("%s: refine may not read %s:\n%s", name, secret, policy)
			}
		}
	}
}
