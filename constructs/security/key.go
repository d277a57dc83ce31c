package security

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// KeyProps configures one customer key.
type KeyProps struct {
	// Description says what the key protects, in at most 8,192 characters.
	// Default: "Strata data key".
	Description string
	// Services are the AWS services that may use the key in their own name.
	// Default: none; callers use the key with their own permissions.
	Services []ServiceUse
	// AllowDeletion lets CloudFormation delete the key with the stack, if the context flag strata:allow-deletion is set
	// as well. Whatever the key encrypts is lost with it.
	// Default: false, the key is retained.
	AllowDeletion bool
	// Configure changes the key's properties after the defaults are set. Rotation, the removal policy and the key
	// policy stay as they are here.
	// Default: nothing is changed.
	Configure func(*awskms.KeyProps)
}

// Validate reports every problem of the props. Nil props are valid.
func (p *KeyProps) Validate() error {
	if p == nil {
		return nil
	}
	var l check.List
	if len(p.Description) > 8192 {
		l.Add("Description", "is too long", len(p.Description), "at most 8192 characters")
	}
	for i, use := range p.Services {
		if _, ok := serviceUses[use]; !ok {
			l.Add(check.Index("Services", i), "is no known use of a key", string(use), knownUses())
		}
	}
	return l.Err()
}

func knownUses() string {
	var names []string
	for use := range serviceUses {
		names = append(names, string(use))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// keyActions are all actions on a symmetric key. The account's root holds them, so that IAM policies decide who may use
// and administer the key; naming them keeps wildcards out of the template.
var keyActions = []string{
	"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:CreateGrant", "kms:Decrypt", "kms:DeleteAlias", "kms:DescribeKey",
	"kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:Encrypt",
	"kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
	"kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy",
	"kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:RetireGrant", "kms:RevokeGrant", "kms:RotateKeyOnDemand",
	"kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
}

// NewKey makes a symmetric customer key with yearly rotation. Its policy lets the account's IAM policies decide, and
// admits the named services under the conditions of the service-use table. It costs 1 USD a month (list price), and the
// same again for each of the first two rotations.
func NewKey(scope constructs.Construct, id string, props *KeyProps) awskms.Key {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	if props == nil {
		props = &KeyProps{}
	}
	policy := awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
		awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String("AccountPoliciesDecide"),
			Principals: &[]awsiam.IPrincipal{awsiam.NewAccountRootPrincipal()},
			Actions:    jsii.Strings(keyActions...),
			Resources:  jsii.Strings("*"),
		}),
	}})
	description := props.Description
	if description == "" {
		description = "Strata data key"
	}
	kp := &awskms.KeyProps{Description: jsii.String(description)}
	if props.Configure != nil {
		props.Configure(kp)
	}
	kp.EnableKeyRotation = jsii.Bool(true)
	kp.Policy = policy
	kp.RemovalPolicy = RemovalPolicy(scope, props.AllowDeletion)
	key := awskms.NewKey(scope, jsii.String(id), kp)
	AllowServices(key, props.Services...)
	return key
}

// NewKeyFor returns given when it is set, else a new key: the rule behind every optional Key prop.
func NewKeyFor(scope constructs.Construct, id string, given awskms.IKey, props *KeyProps) awskms.IKey {
	if given != nil {
		return given
	}
	return NewKey(scope, id, props)
}

// GrantDecrypt lets grantee read what the key protects.
func GrantDecrypt(key awskms.IKey, grantee awsiam.IGrantable) awsiam.Grant {
	return key.Grant(grantee, jsii.String("kms:Decrypt"))
}

// GrantEncrypt lets grantee write under the key. Decrypt is part of it: completing a multipart upload needs it.
func GrantEncrypt(key awskms.IKey, grantee awsiam.IGrantable) awsiam.Grant {
	return key.Grant(grantee, jsii.String("kms:Decrypt"), jsii.String("kms:GenerateDataKey"))
}
