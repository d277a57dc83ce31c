package security_test

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/security"
)

func TestKeyProps(t *testing.T) {
	cdktest.Effects(t,
		func(awscdk.Stack) security.KeyProps { return security.KeyProps{} },
		func(stack awscdk.Stack, p *security.KeyProps) { security.NewKey(stack, "Key", p) },
		cdktest.Changes[security.KeyProps]{
			"Description":   {Do: func(_ awscdk.Stack, p *security.KeyProps) { p.Description = "mine" }},
			"Services":      {Do: func(_ awscdk.Stack, p *security.KeyProps) { p.Services = []security.ServiceUse{security.LogGroups} }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *security.KeyProps) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *security.KeyProps) {
				p.Configure = func(k *awskms.KeyProps) { k.Alias = jsii.String("alias/mine") }
			}},
		})
}

func TestKeysProps(t *testing.T) {
	own := func(field func(*security.KeysProps) *awskms.IKey) cdktest.Change[security.KeysProps] {
		return cdktest.Change[security.KeysProps]{Do: func(stack awscdk.Stack, p *security.KeysProps) { *field(p) = importedKey(stack, "Own") }}
	}
	cdktest.Effects(t,
		func(awscdk.Stack) security.KeysProps { return security.KeysProps{} },
		func(stack awscdk.Stack, p *security.KeysProps) { security.NewKeys(stack, "Keys", p).Vault() },
		cdktest.Changes[security.KeysProps]{
			"Raw":           own(func(p *security.KeysProps) *awskms.IKey { return &p.Raw }),
			"Cleaned":       own(func(p *security.KeysProps) *awskms.IKey { return &p.Cleaned }),
			"Curated":       own(func(p *security.KeysProps) *awskms.IKey { return &p.Curated }),
			"Quarantine":    own(func(p *security.KeysProps) *awskms.IKey { return &p.Quarantine }),
			"Control":       own(func(p *security.KeysProps) *awskms.IKey { return &p.Control }),
			"Vault":         own(func(p *security.KeysProps) *awskms.IKey { return &p.Vault }),
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *security.KeysProps) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *security.KeysProps) {
				p.Configure = func(k *awskms.KeyProps) { k.PendingWindow = awscdk.Duration_Days(jsii.Number(9)) }
			}},
		})
}

func TestHashSecretProps(t *testing.T) {
	cdktest.Effects(t,
		func(awscdk.Stack) security.HashSecretProps { return security.HashSecretProps{} },
		func(stack awscdk.Stack, p *security.HashSecretProps) { security.NewHashSecret(stack, "Secret", p) },
		cdktest.Changes[security.HashSecretProps]{
			"Key":           {Do: func(s awscdk.Stack, p *security.HashSecretProps) { p.Key = importedKey(s, "Own") }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *security.HashSecretProps) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *security.HashSecretProps) {
				p.Configure = func(s *awssecretsmanager.CfnSecretProps) { s.Description = jsii.String("mine") }
			}},
		})
}

func TestLogGroupProps(t *testing.T) {
	cdktest.Effects(t,
		func(awscdk.Stack) security.LogGroupProps { return security.LogGroupProps{} },
		func(stack awscdk.Stack, p *security.LogGroupProps) { security.NewLogGroup(stack, "Log", p) },
		cdktest.Changes[security.LogGroupProps]{
			"Key":           {Do: func(s awscdk.Stack, p *security.LogGroupProps) { p.Key = importedKey(s, "Own") }},
			"Name":          {Do: func(_ awscdk.Stack, p *security.LogGroupProps) { p.Name = "/mine" }},
			"Retention":     {Do: func(_ awscdk.Stack, p *security.LogGroupProps) { p.Retention = 7 * day }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *security.LogGroupProps) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *security.LogGroupProps) {
				p.Configure = func(l *awslogs.LogGroupProps) { l.LogGroupClass = awslogs.LogGroupClass_INFREQUENT_ACCESS }
			}},
		})
}
