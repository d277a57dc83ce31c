package processing

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/asset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

//go:embed validation.asl.json
var validationASL []byte

// How an execution of a validation fails that has compared everything, for a state machine that runs it and catches errors
// by name.
const (
	// ValidationFoundDifferences says that a table is not what its source's is.
	ValidationFoundDifferences = "ValidationFoundDifferences"
	// ValidationUnsettled says that nothing is known to differ, but that rows of the source changed at every look.
	ValidationUnsettled = "ValidationUnsettled"
)

// Validation compares cleaned tables with the tables of a database that they are copies of, when somebody starts it: a job
// in the database's network, and a state machine that runs it and fails where it finds differences. What it finds is in
// the tables validation_results and validation_mismatches of the operations database. The job may read the tables, the
// database's secret and the keys of hashed columns, and writes nothing but its results. Idle it costs the two alarms, 0.20
// USD a month; a run bills its workers for as long as it takes, a minute at least (0.44 USD per DPU-hour; list prices,
// us-east-1).
type Validation struct {
	constructs.Construct
	props      ValidationProps
	securities []awsec2.ISecurityGroup
	job        *SparkJob
	machine    *machine
}

// NewValidation makes a validation. The id is the name of the source in the results.
func NewValidation(scope constructs.Construct, id string, props *ValidationProps) *Validation {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	v := &Validation{props: *props}
	constructs.NewConstruct_Override(v, scope, jsii.String(id))
	v.props.ValidationSettings = props.withDefaults()
	connection := v.newConnection()
	v.newJob(id, *connection.Ref())
	v.grantNetwork(connection)
	v.newMachine()
	return v
}

// newConnection makes the job's way into the network. Glue puts a network interface of each worker into the subnet.
func (v *Validation) newConnection() awsglue.CfnConnection {
	source := v.props.Source
	v.securities = v.props.SecurityGroups
	if len(v.securities) == 0 {
		v.securities = []awsec2.ISecurityGroup{v.newSecurityGroup()}
	}
	groups := make([]*string, len(v.securities))
	for i, g := range v.securities {
		groups[i] = g.SecurityGroupId()
	}
	subnet := (*source.Vpc.SelectSubnets(source.Subnets).Subnets)[0]
	return awsglue.NewCfnConnection(v, jsii.String("Connection"), &awsglue.CfnConnectionProps{
		CatalogId: v.account(),
		ConnectionInput: &awsglue.CfnConnection_ConnectionInputProperty{
			Name: jsii.String(v.uniqueName()), ConnectionType: jsii.String("NETWORK"), ConnectionProperties: map[string]any{},
			Description: jsii.String("Where the source " + *v.Node().Id() + " is reached from"),
			PhysicalConnectionRequirements: &awsglue.CfnConnection_PhysicalConnectionRequirementsProperty{
				SubnetId: subnet.SubnetId(), AvailabilityZone: subnet.AvailabilityZone(), SecurityGroupIdList: &groups,
			},
		},
	})
}

func (v *Validation) newSecurityGroup() awsec2.ISecurityGroup {
	source := v.props.Source
	group := awsec2.NewSecurityGroup(v, jsii.String("SecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc: source.Vpc, AllowAllOutbound: jsii.Bool(false), Description: jsii.String("Comparison with the source " + *v.Node().Id()),
	})
	self := jsii.String("Workers among themselves, as Glue asks")
	group.Connections().AllowInternally(awsec2.Port_AllTcp(), self)
	group.AddEgressRule(awsec2.Peer_Ipv4(source.Vpc.VpcCidrBlock()), awsec2.Port_Tcp(jsii.Number(source.Port)), jsii.String("The database"), nil)
	group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)),
		jsii.String("S3, Glue, Secrets Manager and CloudWatch Logs, whose addresses differ from region to region"), nil)
	return group
}

func (v *Validation) newJob(id, connection string) {
	pipeline, c := v.props.Pipeline, &v.props.Pipeline.props
	arguments := v.arguments(id)
	v.job = NewSparkJob(v, "Job", &SparkJobProps{
		Script:      asset.JobScript(v, "Script", "validate"),
		Libraries:   []awss3assets.Asset{pipeline.library, asset.PyDeequ.Asset(v, "PyDeequ", v.props.Deequ.Module)},
		Jars:        []awss3assets.Asset{asset.Deequ.Asset(v, "Deequ", v.props.Deequ.Jar)},
		Connections: []string{connection}, Arguments: arguments, TableFormats: c.Manifest.TableFormats(),
		Key: c.Key, Workers: c.Workers, WorkerType: c.WorkerType, MaxConcurrentRuns: c.MaxConcurrentRuns, Timeout: c.JobTimeout,
		LogRetention: c.LogRetention, AllowDeletion: c.AllowDeletion,
		Configure: func(props *awsglue.CfnJobProps) {
			if c.ConfigureJob != nil {
				c.ConfigureJob("validate", props)
			}
		},
	})
	role := v.job.Role()
	c.Artifacts.GrantRead(role, storage.Manifests, storage.ValidationOutcomes)
	c.Artifacts.GrantPut(role, storage.ValidationMismatches, storage.ValidationOutcomes, storage.ValidationResults)
	catalog.GrantRead(role, v.databases()...)
	pipeline.grantFind(v.job)
	for _, name := range v.hashKeys() {
		c.HashSecrets[name].GrantRead(role)
	}
	for _, name := range v.vaults() {
		c.Vaults[name].Secret.GrantRead(role)
	}
	source := v.props.Source
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: role, Actions: jsii.Strings("secretsmanager:GetSecretValue"), ResourceArns: jsii.Strings(source.SecretResource),
	})
	if key := source.Secret.EncryptionKey(); key != nil {
		security.GrantDecrypt(key, role)
	}
}

// arguments are what the job is told; the manifest and the request come with each run.
func (v *Validation) arguments(id string) map[string]string {
	c, source := &v.props.Pipeline.props, v.props.Source
	told, err := json.Marshal(map[string]any{
		"name": id, "database": source.Database, "schema": source.Schema, "ssl": source.SSL,
		"connections": v.props.Connections, "tables": source.Tables,
	})
	check.Must(*v.Node().Path(), err)
	hashes, tokens := map[string]*security.HashSecret{}, map[string]*security.HashSecret{}
	for _, name := range v.hashKeys() {
		hashes[name] = c.HashSecrets[name]
	}
	for _, name := range v.vaults() {
		tokens[name] = c.Vaults[name].Secret
	}
	arguments := map[string]string{
		argLake: c.Manifest.Manifest().Lake, argArtifactsBucket: c.Artifacts.BucketName(), argSource: string(told),
		argSourceSecret: *source.Secret.SecretArn(), argTokenKeys: listed(tokens),
		argLookAgain: strconv.Itoa(v.props.LookAgain), argLookAgainSeconds: seconds(v.props.LookAgainAfter),
		argMismatches: strconv.Itoa(v.props.Mismatches), argValues: strconv.FormatBool(!v.props.HideValues),
	}
	maps.Copy(arguments, hashArguments(hashes))
	return arguments
}

// databases are those of the datasets that are compared.
func (v *Validation) databases() []catalog.DatabaseRef {
	names := map[string]bool{}
	for _, d := range v.props.Pipeline.props.Manifest.Manifest().Datasets {
		if _, compared := v.props.Source.Tables[d.ID]; compared {
			names[d.CleanedDatabase] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(v.props.Pipeline.props.Cleaned), func(d catalog.DatabaseRef) bool { return !names[d.Name()] })
}

// newMachine makes the state machine that runs the job and tells what came of it, and the alarms on its failures.
func (v *Validation) newMachine() {
	p := v.props.Pipeline
	text, err := validation(p.props.JobTimeout + queueing)
	check.Must(*v.Node().Path(), err)
	logs := security.NewLogGroup(v, "MachineLog", &security.LogGroupProps{
		Key: p.props.Key, Retention: p.props.LogRetention, AllowDeletion: p.props.AllowDeletion,
	})
	v.machine = newStateMachine(v, "Machine", logs, text, map[string]any{
		"InvokeFunction":   integration(v, "lambda:invoke"),
		"DispatchFunction": p.dispatch.FunctionArn(),
		"ValidateJob":      jsii.String(v.job.Name()),
		"StartJobRun":      integration(v, "glue:startJobRun.sync"),
		"GetObject":        integration(v, "aws-sdk:s3:getObject"),
		"ArtifactsBucket":  jsii.String(p.props.Artifacts.BucketName()),
	}, "Runs the comparison with a source")
	invoke(p.dispatch, v.machine.role)
	v.job.GrantStart(v.machine.role)
	p.props.Artifacts.GrantRead(v.machine.role, storage.ValidationOutcomes)
	v.machine.watchEnds(v, p.props.Alarms, "ValidationFailures", "ValidationTimedOut", "Tables are not what their source has, or could not be compared with it: the execution's cause says which, validation_results and validation_mismatches have the rest.")
}

func validation(timeout time.Duration) (string, error) {
	var machine map[string]any
	if err := json.Unmarshal(validationASL, &machine); err != nil {
		return "", fmt.Errorf("validation.asl.json: %w", err)
	}
	machine["TimeoutSeconds"] = int(timeout / time.Second)
	text, err := json.Marshal(machine)
	return string(text), err
}

// MachineArn is the ARN of the state machine. An execution takes {"datasets"?: ["<id>", …]} as its input.
func (v *Validation) MachineArn() string { return v.machine.arn }

// SecurityGroup is the group the job works in, for the database's own groups to let in.
func (v *Validation) SecurityGroup() awsec2.ISecurityGroup { return v.securities[0] }

// GrantValidate lets grantee start validations and see how they end. Of data it lets grantee read nothing: what differs is
// in the operations database.
func (v *Validation) GrantValidate(grantee awsiam.IGrantable) awsiam.Grant {
	return v.machine.grantStart(grantee)
}
