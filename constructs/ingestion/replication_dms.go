package ingestion

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/lambda/contract"
)

// DatabaseReplication is a DMS Serverless replication into the raw zone: the endpoints of database and bucket, the network
// and the roles DMS works in, one configuration for the declared generation, and a controller that starts, resumes and
// watches it. DMS costs about 0.09 USD per capacity unit and hour (price assumed, us-east-1), one unit at least as long as
// it is provisioned, 64 USD a month, and twice that with MultiAZ; a stopped replication is billed for two days more. The
// controller's invocations cost about 0.20 USD a month, its seven alarms 0.70 USD (list prices).
type DatabaseReplication struct {
	constructs.Construct
	props      ReplicationProps
	id         string
	securities []awsec2.ISecurityGroup
	subnets    awsdms.CfnReplicationSubnetGroup
	source     awsdms.CfnEndpoint
	config     awsdms.CfnReplicationConfig
	controller awslambda.Function
	split      awslambda.Function
	redrive    []string
}

// NewReplication makes a replication and its controller. The id is the source's id: in lower case with dashes it is the
// first folder of everything that lands, so changing it is a breaking change.
func NewReplication(scope constructs.Construct, id string, props *ReplicationProps) *DatabaseReplication {
	var l check.List
	l.Under("id", CheckID(id))
	l.Under("", props.Validate())
	check.Must(*scope.Node().Path()+"/"+id, l.Err())
	d := &DatabaseReplication{props: *props, id: id}
	constructs.NewConstruct_Override(d, scope, jsii.String(id))
	services := []security.ServiceUse{security.LogGroups}
	if props.PreserveTransactions {
		services = append(services, security.EventsToQueues)
	}
	d.props.Key = security.NewKeyFor(d, "Key", props.Key, &security.KeyProps{
		Description: "Strata replication " + id, Services: services, AllowDeletion: props.AllowDeletion,
	})
	roles := d.newAccountRoles()
	d.newNetwork(roles)
	d.newSource()
	d.newConfig(d.newTarget(), roles)
	d.newController()
	d.newSplit()
	d.watch()
	d.newOutputs()
	return d
}

// name is the physical name of the configuration of a generation. DMS asks for one, and names in ARNs let the controller
// be granted those of this source alone: the construct's address tells it from all others of account and region.
func (d *DatabaseReplication) name(generation int) string {
	const digits = 12
	address := *d.Node().Addr()
	return fmt.Sprintf("strata-%s-g%d", address[len(address)-digits:], generation)
}

func (d *DatabaseReplication) configArn(generation int) string {
	return *awscdk.Stack_Of(d).FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("dms"), Resource: jsii.String("replication-config"), ResourceName: jsii.String(d.name(generation)),
		ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
	})
}

const dmsPrincipal = "dms.amazonaws.com"

// newAccountRoles makes the roles whose names DMS prescribes, if this stack is the one to make them.
func (d *DatabaseReplication) newAccountRoles() []awsiam.Role {
	if !d.props.AccountRoles {
		return nil
	}
	one := func(id, name, policy, reason string) awsiam.Role {
		role := awsiam.NewRole(d, jsii.String(id), &awsiam.RoleProps{
			RoleName: jsii.String(name), Description: jsii.String(reason),
			AssumedBy:       awsiam.NewServicePrincipal(jsii.String(dmsPrincipal), nil),
			ManagedPolicies: &[]awsiam.IManagedPolicy{awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("service-role/" + policy))},
		})
		security.Accept(role, security.Finding{Rule: "AwsSolutions-IAM4",
			AppliesTo: []string{"Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/" + policy},
			Reason:    "DMS prescribes the name of this role and AWS keeps its policy, which no other can stand in for."})
		return role
	}
	return []awsiam.Role{
		one("VpcRole", "dms-vpc-role", "AmazonDMSVPCManagementRole", "DMS attaches its replications to networks"),
		one("LogsRole", "dms-cloudwatch-logs-role", "AmazonDMSCloudWatchLogsRole", "DMS writes its logs"),
	}
}

// newNetwork chooses subnets and, unless groups are brought, makes a group that nobody may reach.
func (d *DatabaseReplication) newNetwork(roles []awsiam.Role) {
	from := d.props.From
	chosen := from.Vpc.SelectSubnets(from.Subnets)
	if n := len(*chosen.AvailabilityZones); n > 0 && zones(*chosen.AvailabilityZones) < 2 {
		var l check.List
		l.Add("From.Subnets", "lie in one availability zone, and DMS asks for two", *(*chosen.AvailabilityZones)[0], "subnets in two availability zones at least")
		check.Must(*d.Node().Path(), l.Err())
	}
	d.subnets = awsdms.NewCfnReplicationSubnetGroup(d, jsii.String("Subnets"), &awsdms.CfnReplicationSubnetGroupProps{
		ReplicationSubnetGroupDescription: jsii.String("Where DMS follows the source " + d.id), SubnetIds: chosen.SubnetIds,
	})
	for _, r := range roles {
		d.subnets.Node().AddDependency(r)
	}
	d.securities = from.SecurityGroups
	if len(d.securities) > 0 {
		return
	}
	group := awsec2.NewSecurityGroup(d, jsii.String("SecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc: from.Vpc, AllowAllOutbound: jsii.Bool(false), Description: jsii.String("DMS following the source " + d.id),
	})
	group.AddEgressRule(awsec2.Peer_Ipv4(from.Vpc.VpcCidrBlock()), awsec2.Port_Tcp(jsii.Number(from.port())),
		jsii.String("The database"), nil)
	group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)),
		jsii.String("S3, Secrets Manager and CloudWatch Logs, whose addresses differ from region to region"), nil)
	d.securities = []awsec2.ISecurityGroup{group}
}

func zones(names []*string) int {
	distinct := map[string]bool{}
	for _, n := range names {
		distinct[*n] = true
	}
	return len(distinct)
}

// newSource makes the endpoint of the database and the role that reads its secret.
func (d *DatabaseReplication) newSource() {
	from := d.props.From
	// DMS reads secrets as its regional principal.
	role := awsiam.NewRole(d, jsii.String("SecretRole"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("dms."+*awscdk.Stack_Of(d).Region()+".amazonaws.com"), nil),
		Description: jsii.String("Reads how to connect to the database of the source " + d.id),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"), Resources: jsii.Strings(from.secretResource()),
	}))
	if key := from.Secret.EncryptionKey(); key != nil {
		security.GrantDecrypt(key, role)
	}
	d.source = awsdms.NewCfnEndpoint(d, jsii.String("Database"), &awsdms.CfnEndpointProps{
		EndpointType: jsii.String("source"), EngineName: jsii.String("postgres"),
		DatabaseName: jsii.String(from.Database), SslMode: jsii.String(from.ssl()),
		PostgreSqlSettings: &awsdms.CfnEndpoint_PostgreSqlSettingsProperty{
			SecretsManagerSecretId: from.Secret.SecretArn(), SecretsManagerAccessRoleArn: role.RoleArn(),
			// A value that is too long stops the replication; it would be cut.
			FailTasksOnLobTruncation: jsii.Bool(true),
		},
	})
	d.source.Node().AddDependency(role)
}

// newTarget makes the endpoint of the generation's folder. Its id holds the generation, as the configuration's does: a
// higher one makes new resources before the old ones are deleted.
func (d *DatabaseReplication) newTarget() awsdms.CfnEndpoint {
	raw, folder := d.props.Raw, Folder(d.id)
	role := awsiam.NewRole(d, jsii.String("TargetRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String(dmsPrincipal), &awsiam.ServicePrincipalOpts{Conditions: &map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(d).Account()}}}),
		Description: jsii.String("Writes the tables of the source " + d.id + " to the raw zone"),
	})
	raw.GrantPut(role, folder)
	allow := func(arn string, actions ...string) {
		awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
			Grantee: role, Actions: jsii.Strings(actions...), ResourceArns: jsii.Strings(arn),
		})
	}
	allow(raw.BucketArn()+"/"+folder+"*", "s3:DeleteObject", "s3:PutObjectTagging")
	allow(raw.BucketArn(), "s3:ListBucket")
	settings := &awsdms.CfnEndpoint_S3SettingsProperty{
		BucketName: jsii.String(raw.BucketName()), BucketFolder: jsii.String(folder + fmt.Sprintf("g%d", d.props.generation())),
		ServiceAccessRoleArn: role.RoleArn(),
		EncryptionMode:       jsii.String("SSE_KMS"), ServerSideEncryptionKmsKeyId: raw.Key().KeyArn(),
		DataFormat: jsii.String("parquet"), IncludeOpForFullLoad: jsii.Bool(true), ParquetTimestampInMillisecond: jsii.Bool(false),
	}
	if d.props.PreserveTransactions {
		settings.PreserveTransactions, settings.CdcPath = jsii.Bool(true), jsii.String(contract.TransactionsFolder)
		settings.CsvNullValue, settings.Rfc4180 = jsii.String(dataset.TransactionNull), jsii.Bool(true)
	}
	target := awsdms.NewCfnEndpoint(d, jsii.String(fmt.Sprintf("RawG%d", d.props.generation())), &awsdms.CfnEndpointProps{
		EndpointType: jsii.String("target"), EngineName: jsii.String("s3"), S3Settings: settings,
	})
	// DMS tries the role out when the endpoint is tested.
	target.Node().AddDependency(role)
	return target
}

func (d *DatabaseReplication) newConfig(target awsdms.CfnEndpoint, roles []awsiam.Role) {
	r := d.props.Replication
	groups := make([]*string, len(d.securities))
	for i, g := range d.securities {
		groups[i] = g.SecurityGroupId()
	}
	name := d.name(r.generation())
	d.config = awsdms.NewCfnReplicationConfig(d, jsii.String(fmt.Sprintf("ReplicationG%d", r.generation())), &awsdms.CfnReplicationConfigProps{
		ReplicationConfigIdentifier: jsii.String(name), ResourceIdentifier: jsii.String(name),
		ReplicationType:   jsii.String(string(r.mode())),
		SourceEndpointArn: d.source.Ref(), TargetEndpointArn: target.Ref(),
		TableMappings: r.mappings(), ReplicationSettings: r.settings(),
		ComputeConfig: &awsdms.CfnReplicationConfig_ComputeConfigProperty{
			MaxCapacityUnits: jsii.Number(or(r.MaxCapacity, defaultMaxCapacity)), MultiAz: jsii.Bool(r.MultiAZ),
			ReplicationSubnetGroupId: d.subnets.Ref(), VpcSecurityGroupIds: &groups,
		},
	})
	for _, role := range roles {
		d.config.Node().AddDependency(role)
	}
}

// SecurityGroup is the group DMS works in, for the database's own groups to let in.
func (d *DatabaseReplication) SecurityGroup() awsec2.ISecurityGroup { return d.securities[0] }
