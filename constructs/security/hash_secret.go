package security

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// HashSecretProps configures the secret of keyed hashes, or of the tokens of a vault.
type HashSecretProps struct {
	// Key encrypts the secret.
	// Default: a new key.
	Key awskms.IKey
	// AllowDeletion lets CloudFormation delete the secret with the stack, if the context flag strata:allow-deletion is
	// set as well. Hashes made with it can then never be made again.
	// Default: false, the secret is retained.
	AllowDeletion bool
	// Configure changes the secret's properties after the defaults are set. The key and the generated value stay as
	// they are here.
	// Default: nothing is changed.
	Configure func(*awssecretsmanager.CfnSecretProps)
}

// HashSecret is the key of the HMAC with which protected columns are hashed or tokenised: 64 random characters, known to nobody. It
// is made only for keys that a column is hashed under, and it never rotates, since the same value must keep its hash for
// tables to join: another key is another secret (dataset.HashUnder). It costs 0.40 USD a month (list price).
type HashSecret struct {
	constructs.Construct
	secret awssecretsmanager.CfnSecret
	key    awskms.IKey
}

// NewHashSecret makes the secret.
func NewHashSecret(scope constructs.Construct, id string, props *HashSecretProps) *HashSecret {
	if props == nil {
		props = &HashSecretProps{}
	}
	s := &HashSecret{}
	constructs.NewConstruct_Override(s, scope, jsii.String(id))
	s.key = NewKeyFor(s, "Key", props.Key, &KeyProps{Description: "Strata hash secret", AllowDeletion: props.AllowDeletion})
	sp := &awssecretsmanager.CfnSecretProps{Description: jsii.String("HMAC key of protected columns; must not change")}
	if props.Configure != nil {
		props.Configure(sp)
	}
	sp.KmsKeyId = s.key.KeyArn()
	sp.SecretString = nil
	sp.GenerateSecretString = &awssecretsmanager.CfnSecret_GenerateSecretStringProperty{
		PasswordLength: jsii.Number(64), ExcludePunctuation: jsii.Bool(true),
	}
	// The L2 opens the key's policy with wildcard actions, which our grants make needless.
	s.secret = awssecretsmanager.NewCfnSecret(s, jsii.String("Resource"), sp)
	s.secret.ApplyRemovalPolicy(RemovalPolicy(s, props.AllowDeletion), nil)
	Accept(s.secret, Finding{Rule: "AwsSolutions-SMG4",
		Reason: "Rotating the HMAC key would change every hash, and hashed keys would no longer join."})
	return s
}

// Arn is the secret's ARN, as the jobs take it.
func (s *HashSecret) Arn() string { return *s.secret.Ref() }

// GrantRead lets grantee read the secret's value.
func (s *HashSecret) GrantRead(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("secretsmanager:GetSecretValue"), ResourceArns: jsii.Strings(s.Arn()),
	}).Combine(GrantDecrypt(s.key, grantee))
}
