// Package security holds what every layer needs to be safe: the customer keys, the table of which AWS service may use
// them, encrypted log groups, the secret of keyed hashes and the two-key deletion guard.
package security

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// KeysProps configures the keys of a lake.
type KeysProps struct {
	// Raw, Cleaned, Curated and Quarantine are existing keys of the data zones, in the same account and region. Their
	// policies are not changed and must let IAM policies decide.
	// Default: a new key each.
	Raw, Cleaned, Curated, Quarantine awskms.IKey
	// Control is an existing key for artifacts, ledger, queues, topics, logs and query results. Its policy is not
	// changed and must admit the services of ControlServices.
	// Default: a new key.
	Control awskms.IKey
	// Vault is an existing key of the vaults of tokens. Its policy is not changed and must let IAM policies decide.
	// Default: a new key, which is made if a column is tokenised.
	Vault awskms.IKey
	// AllowDeletion lets CloudFormation delete the keys with the stack, if the context flag strata:allow-deletion is set
	// as well. Whatever they encrypt is lost with them.
	// Default: false, the keys are retained.
	AllowDeletion bool
	// Configure changes the properties of each new key, as in KeyProps.
	// Default: nothing is changed.
	Configure func(*awskms.KeyProps)
}

// Validate reports every problem of the props. Nil props are valid.
func (p *KeysProps) Validate() error { return nil }

// ControlServices are the services that use a lake's control key in their own name.
func ControlServices() []ServiceUse { return []ServiceUse{EventsToQueues, AlarmsToTopics, LogGroups} }

// Keys are the customer keys of a lake, one per zone, so that access to one zone's data can be taken away without
// touching another: raw, cleaned, curated and quarantine, and control for everything that is no data. Five keys cost
// 5 USD a month (list price), and that of vaults, once it is needed, another one; requests are few, since buckets use S3
// Bucket Keys.
type Keys struct {
	constructs.Construct
	raw, cleaned, curated, quarantine, control, vault awskms.IKey
	props                                             KeysProps
}

// NewKeys makes the keys that props do not bring.
func NewKeys(scope constructs.Construct, id string, props *KeysProps) *Keys {
	if props == nil {
		props = &KeysProps{}
	}
	k := &Keys{props: *props}
	constructs.NewConstruct_Override(k, scope, jsii.String(id))
	one := k.one
	k.raw = one("Raw", props.Raw, "Strata raw zone")
	k.cleaned = one("Cleaned", props.Cleaned, "Strata cleaned zone")
	k.curated = one("Curated", props.Curated, "Strata curated zone")
	k.quarantine = one("Quarantine", props.Quarantine, "Strata quarantine zone")
	k.control = one("Control", props.Control, "Strata artifacts, ledger, queues, topics, logs and results", ControlServices()...)
	return k
}

func (k *Keys) one(id string, given awskms.IKey, description string, services ...ServiceUse) awskms.IKey {
	return NewKeyFor(k, id, given, &KeyProps{
		Description: description, Services: services, AllowDeletion: k.props.AllowDeletion, Configure: k.props.Configure,
	})
}

// Vault is the key of the vaults of tokens, made by the first call.
func (k *Keys) Vault() awskms.IKey {
	if k.vault == nil {
		k.vault = k.one("Vault", k.props.Vault, "Strata vaults of tokens")
	}
	return k.vault
}

// Raw is the key of the raw zone.
func (k *Keys) Raw() awskms.IKey { return k.raw }

// Cleaned is the key of the cleaned zone.
func (k *Keys) Cleaned() awskms.IKey { return k.cleaned }

// Curated is the key of the curated zone.
func (k *Keys) Curated() awskms.IKey { return k.curated }

// Quarantine is the key of the quarantine zone, which holds raw records.
func (k *Keys) Quarantine() awskms.IKey { return k.quarantine }

// Control is the key of artifacts, ledger, queues, topics, logs and query results.
func (k *Keys) Control() awskms.IKey { return k.control }
