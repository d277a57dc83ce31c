package processing

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/security"
)

// serviceTag is what Glue tags the network interfaces of a job with.
const serviceTag = "aws-glue-service-resource"

// grantNetwork lets the job use its connection: Glue makes, looks at and removes the network interfaces of its workers
// with the permissions of the job.
func (v *Validation) grantNetwork(connection awsglue.CfnConnection) {
	role := v.job.Role()
	stack := awscdk.Stack_Of(v)
	arn := func(service, kind, name string) string {
		return "arn:" + *stack.Partition() + ":" + service + ":" + *stack.Region() + ":" + *stack.Account() + ":" + kind + "/" + name
	}
	allow := func(actions, arns []string, conditions map[string]any) {
		statement := &awsiam.PolicyStatementProps{Actions: jsii.Strings(actions...), Resources: jsii.Strings(arns...)}
		if conditions != nil {
			statement.Conditions = &conditions
		}
		role.AddToPrincipalPolicy(awsiam.NewPolicyStatement(statement))
	}
	source := v.props.Source
	subnet := arn("ec2", "subnet", *(*source.Vpc.SelectSubnets(source.Subnets).SubnetIds)[0])
	interfaces := arn("ec2", "network-interface", "*")
	groups := make([]string, len(v.securities))
	for i, g := range v.securities {
		groups[i] = arn("ec2", "security-group", *g.SecurityGroupId())
	}
	allow([]string{"glue:GetConnection"},
		[]string{"arn:" + *stack.Partition() + ":glue:" + *stack.Region() + ":" + *stack.Account() + ":catalog", arn("glue", "connection", *connection.Ref())}, nil)
	allow([]string{"ec2:CreateNetworkInterface"}, append([]string{subnet, interfaces}, groups...), nil)
	allow([]string{"ec2:DeleteNetworkInterface"}, []string{interfaces}, map[string]any{"ArnEquals": map[string]any{"ec2:Subnet": subnet}})
	allow([]string{"ec2:CreateTags", "ec2:DeleteTags"}, []string{interfaces},
		map[string]any{"ForAllValues:StringEquals": map[string]any{"aws:TagKeys": []string{serviceTag}}})
	allow([]string{"ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
		"ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints"}, []string{"*"}, nil)
	security.AcceptGrant(role,
		security.Finding{Rule: "AwsSolutions-IAM5", AppliesTo: []string{`/^Resource::.*:network-interface\/\*$/g`},
			Reason: "Glue makes the network interfaces of a job's workers when it runs; the statements end at the job's subnet, groups and tag."},
		security.Finding{Rule: "AwsSolutions-IAM5", AppliesTo: []string{"Resource::*"},
			Reason: "EC2 offers no resource to name for these descriptions, by which Glue looks at the network of a job."})
}

// hashKeys are the names of the keys under which columns of the compared datasets are hashed.
func (v *Validation) hashKeys() []string { return v.named(dataset.Protection.HashKey) }

// vaults are the names of the vaults for which columns of the compared datasets are tokenised.
func (v *Validation) vaults() []string { return v.named(dataset.Protection.Vault) }

func (v *Validation) named(of func(dataset.Protection) (string, bool)) []string {
	var names []string
	for _, d := range v.props.Pipeline.props.Manifest.Manifest().Datasets {
		if _, compared := v.props.Source.Tables[d.ID]; !compared {
			continue
		}
		for _, c := range d.Columns {
			if name, ok := of(c.Protect); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// account is the account whose catalog holds the connection.
func (v *Validation) account() *string { return awscdk.Stack_Of(v).Account() }

// uniqueName is the validation's path as a name.
func (v *Validation) uniqueName() string {
	return *awscdk.Names_UniqueResourceName(v, &awscdk.UniqueResourceNameOptions{
		MaxLength: jsii.Number(128), Separator: jsii.String("-"),
	})
}
