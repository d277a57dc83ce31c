package security

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// Finding is a rule pack's finding that a construct accepts, with the reason.
type Finding struct {
	// Rule is the rule's id: AwsSolutions-IAM5.
	Rule string
	// Reason says why the finding is right as it is.
	Reason string
	// AppliesTo names the parts of the finding that are accepted, as regular expressions in slashes with flags, or
	// literally.
	// Default: the whole finding.
	AppliesTo []string
}

// Accept records beside the resource that a finding is accepted. It covers the construct and the children it has now,
// no other resource and nothing stack-wide.
func Accept(construct constructs.IConstruct, findings ...Finding) {
	suppressions := make([]*cdknag.NagPackSuppression, 0, len(findings))
	for _, f := range findings {
		s := &cdknag.NagPackSuppression{Id: jsii.String(f.Rule), Reason: jsii.String(f.Reason)}
		if len(f.AppliesTo) > 0 {
			parts := make([]any, len(f.AppliesTo))
			for i, a := range f.AppliesTo {
				parts[i] = appliesTo(a)
			}
			s.AppliesTo = &parts
		}
		suppressions = append(suppressions, s)
	}
	cdknag.NagSuppressions_AddResourceSuppressions(construct, &suppressions, jsii.Bool(true))
}

// AcceptGrant records beside the policy of a grantee that a finding in it is accepted. Grantees outside the construct tree
// have no policy here, and nothing is recorded.
func AcceptGrant(grantee awsiam.IGrantable, findings ...Finding) {
	principal, ok := grantee.GrantPrincipal().(constructs.IConstruct)
	if !ok {
		return
	}
	if policy := principal.Node().TryFindChild(jsii.String("DefaultPolicy")); policy != nil {
		principal = policy
	}
	Accept(principal, findings...)
}

func appliesTo(part string) any {
	if len(part) > 0 && part[0] == '/' {
		return &cdknag.RegexAppliesTo{Regex: jsii.String(part)}
	}
	return part
}
