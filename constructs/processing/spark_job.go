package processing

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
)

// SparkJobProps configures a Spark job.
type SparkJobProps struct {
	// Script is the entry script, in Python 3.11. Required.
	Script awss3assets.Asset
	// Libraries are Python packages the script imports, as zip files.
	// Default: none.
	Libraries []awss3assets.Asset
	// Jars are Java libraries for the job, which come before those of Glue.
	// Default: none.
	Jars []awss3assets.Asset
	// Connections are names of Glue connections: through the first the job reaches a network.
	// Default: none, the job reaches AWS and the internet.
	Connections []string
	// Arguments are what the script gets as --name value, unless a run says otherwise. Names are lower case with
	// underscores, so that none meets an argument of Glue's own.
	// Default: none.
	Arguments map[string]string
	// TableFormats are the table formats the script reads or writes besides Iceberg. Glue brings the library of each.
	// Default: Iceberg alone.
	TableFormats []dataset.TableFormat
	// Key encrypts the logs. A key that is brought must admit security.LogGroups.
	// Default: a new key.
	Key awskms.IKey
	// Workers is the number of workers, the driver included, from 2 to 299.
	// Default: 2.
	Workers int
	// WorkerType is the size of each worker.
	// Default: G1X.
	WorkerType WorkerType
	// MaxConcurrentRuns is how many runs may work at once, from 1 to 1000.
	// Default: 10.
	MaxConcurrentRuns int
	// Timeout ends a run that hangs. Whole minutes, from 5 minutes to 7 days.
	// Default: 2 hours.
	Timeout time.Duration
	// LogRetention is how long logs are kept, in whole days out of those CloudWatch Logs accepts.
	// Default: 90 days.
	LogRetention time.Duration
	// AllowDeletion lets CloudFormation delete the log groups with the stack, if the context flag strata:allow-deletion
	// is set as well.
	// Default: false, they are retained.
	AllowDeletion bool
	// Configure changes the job's properties after the defaults are set. Command, role, Glue version, retries, security
	// configuration, Connections and the arguments set here stay as they are; further DefaultArguments are a map[string]any.
	// Default: nothing is changed.
	Configure func(*awsglue.CfnJobProps)
}

var argumentForm = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// Validate reports every problem of the props.
func (p *SparkJobProps) Validate() error {
	var l check.List
	if p == nil {
		p = &SparkJobProps{}
	}
	if p.Script == nil {
		l.Add("Script", "is missing", nil, "an asset with the entry script")
	}
	for i, library := range p.Libraries {
		if library == nil {
			l.Add(check.Index("Libraries", i), "is nil", nil, "an asset with a zip file")
		}
	}
	for i, jar := range p.Jars {
		if jar == nil {
			l.Add(check.Index("Jars", i), "is nil", nil, "an asset with a jar file")
		}
	}
	for i, name := range p.Connections {
		if name == "" {
			l.Add(check.Index("Connections", i), "is empty", nil, "the name of a Glue connection")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Arguments)) {
		if !argumentForm.MatchString(name) {
			l.Add(check.Key("Arguments", name), "is no name of an argument", name, argumentForm.String())
		}
	}
	for i, format := range p.TableFormats {
		if !slices.Contains([]dataset.TableFormat{dataset.Iceberg, dataset.Delta, dataset.Hudi}, format) {
			l.Add(check.Index("TableFormats", i), "is no table format a job can take", format, "Iceberg, Delta, Hudi")
		}
	}
	number(&l, "Workers", int64(p.Workers), 2, 299)
	p.WorkerType.check(&l, "WorkerType")
	number(&l, "MaxConcurrentRuns", int64(p.MaxConcurrentRuns), 1, 1000)
	span(&l, "Timeout", p.Timeout, time.Minute, 5*time.Minute, 7*24*time.Hour)
	security.CheckLogRetention(&l, "LogRetention", p.LogRetention)
	return l.Err()
}

// SparkJob is a Glue 5.1 job (Spark 3.5, Python 3.11, Iceberg 1.10) with a role of its own, which holds nothing but
// its script, its logs and what is granted to it. Logs go to two groups under a customer key with an end to their
// retention; job bookmarks are off, since the ledger knows what is done; Glue never retries, since the state machine
// does. Tables are reached as glue_catalog.<database>.<table>; the catalog has no warehouse folder, so a table made
// without a location lies below its database's, and is refused where the database has none either. It costs nothing idle, and the DPU-hours of its workers while it runs.
type SparkJob struct {
	constructs.Construct
	job  awsglue.CfnJob
	role awsiam.Role
}

// NewSparkJob makes the job.
func NewSparkJob(scope constructs.Construct, id string, props *SparkJobProps) *SparkJob {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	p := *props
	orDefault(&p.Workers, defaultWorkers)
	orDefault(&p.WorkerType, G1X)
	orDefault(&p.MaxConcurrentRuns, defaultMaxConcurrentRuns)
	orDefault(&p.Timeout, defaultJobTimeout)
	j := &SparkJob{}
	constructs.NewConstruct_Override(j, scope, jsii.String(id))
	p.Key = security.NewKeyFor(j, "Key", p.Key, &security.KeyProps{
		Description: "Strata job logs", Services: []security.ServiceUse{security.LogGroups}, AllowDeletion: p.AllowDeletion,
	})
	j.role = awsiam.NewRole(j, jsii.String("Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("glue.amazonaws.com"), nil),
		Description: jsii.String("Runs the Spark job " + id),
	})
	j.grantCode(&p)
	encryption := j.securityConfiguration(p.Key)
	logPrefix := j.logTo(&p, encryption)
	job := &awsglue.CfnJobProps{
		NumberOfWorkers: jsii.Number(float64(p.Workers)),
		WorkerType:      jsii.String(string(p.WorkerType)),
		ExecutionProperty: &awsglue.CfnJob_ExecutionPropertyProperty{
			MaxConcurrentRuns: jsii.Number(float64(p.MaxConcurrentRuns)),
		},
		Timeout: jsii.Number(p.Timeout.Minutes()),
	}
	if p.Configure != nil {
		p.Configure(job)
	}
	j.settle(job, &p, encryption, logPrefix)
	j.job = awsglue.NewCfnJob(j, jsii.String("Resource"), job)
	return j
}

// settle sets what Configure may not undo.
func (j *SparkJob) settle(
	job *awsglue.CfnJobProps, p *SparkJobProps, encryption awsglue.CfnSecurityConfiguration, logPrefix string,
) {
	job.Command = &awsglue.CfnJob_JobCommandProperty{
		Name: jsii.String("glueetl"), PythonVersion: jsii.String("3"), ScriptLocation: p.Script.S3ObjectUrl(),
	}
	job.GlueVersion = jsii.String("5.1")
	job.MaxRetries = jsii.Number(0)
	job.Role = j.role.RoleArn()
	job.SecurityConfiguration = encryption.Ref()
	if len(p.Connections) > 0 {
		job.Connections = &awsglue.CfnJob_ConnectionsListProperty{Connections: jsii.Strings(p.Connections...)}
	}
	arguments := map[string]any{}
	given, ok := job.DefaultArguments.(map[string]any)
	if !ok && job.DefaultArguments != nil {
		var l check.List
		l.Add("Configure: DefaultArguments", "has another type", fmt.Sprintf("%T", job.DefaultArguments), "map[string]any")
		check.Must(*j.Node().Path(), l.Err())
	}
	maps.Copy(arguments, given)
	maps.Copy(arguments, map[string]any{
		"--conf":                   sparkConf(p.TableFormats),
		"--custom-logGroup-prefix": logPrefix,
		"--datalake-formats":       strings.Join(lakeFormats(p.TableFormats), ","),
		"--job-bookmark-option":    "job-bookmark-disable",
	})
	if len(p.Libraries) > 0 {
		arguments["--extra-py-files"] = urls(p.Libraries)
	}
	if len(p.Jars) > 0 {
		arguments["--extra-jars"], arguments["--user-jars-first"] = urls(p.Jars), "true"
	}
	for name, value := range p.Arguments {
		arguments["--"+name] = value
	}
	job.DefaultArguments = arguments
}

func urls(assets []awss3assets.Asset) string {
	all := make([]string, len(assets))
	for i, a := range assets {
		all[i] = *a.S3ObjectUrl()
	}
	return strings.Join(all, ",")
}

// lakeFormats names the formats whose library the jobs need as Glue does, Iceberg first, each once. They write Hudi
// without its own.
func lakeFormats(formats []dataset.TableFormat) []string {
	names := []string{dataset.Iceberg.String()}
	for _, format := range formats {
		if format != dataset.Hudi && !slices.Contains(names, format.String()) {
			names = append(names, format.String())
		}
	}
	return names
}

// sparkConf joins the settings the way Glue wants them: it takes one --conf argument, whose value holds the rest.
func sparkConf(formats []dataset.TableFormat) string {
	const catalog = "spark.sql.catalog." + Catalog
	extensions := "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
	settings := []string{
		catalog + "=org.apache.iceberg.spark.SparkCatalog",
		catalog + ".catalog-impl=org.apache.iceberg.aws.glue.GlueCatalog",
		catalog + ".io-impl=org.apache.iceberg.aws.s3.S3FileIO",
		"spark.sql.session.timeZone=UTC",
		// Enough for the generated code of many datasets' batches, which would be compiled anew otherwise. Default: 100.
		"spark.sql.codegen.cache.maxEntries=1000",
	}
	if slices.Contains(formats, dataset.Delta) {
		// The last one's parser is asked first, and Iceberg's compaction takes no other than its own.
		extensions = "io.delta.sql.DeltaSparkSessionExtension," + extensions
		settings = append(settings, "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog")
	}
	return strings.Join(append([]string{"spark.sql.extensions=" + extensions}, settings...), " --conf ")
}

// Catalog is the name by which Spark knows the Glue Data Catalog.
const Catalog = "glue_catalog"

func (j *SparkJob) grantCode(p *SparkJobProps) {
	var arns []*string
	for _, code := range slices.Concat([]awss3assets.Asset{p.Script}, p.Libraries, p.Jars) {
		arns = append(arns, code.Bucket().ArnForObjects(code.S3ObjectKey()))
	}
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: j.role, Actions: jsii.Strings("s3:GetObject"), ResourceArns: &arns,
	})
}

// logTo makes the two groups Glue writes to and returns the prefix of their names. With a security configuration that
// encrypts logs, Glue puts its name and the role's between the prefix and the stream. Glue tries to create a group and
// to give it the key of the security configuration, so the role may do both to these two.
func (j *SparkJob) logTo(p *SparkJobProps, encryption awsglue.CfnSecurityConfiguration) string {
	prefix := "/aws-glue/jobs/" + j.uniqueName()
	var arns []*string
	for _, stream := range []string{"Error", "Output"} {
		group := security.NewLogGroup(j, stream+"Log", &security.LogGroupProps{
			Key: p.Key, Name: fmt.Sprintf("%s/%s-role/%s/%s", prefix, *encryption.Name(), *j.role.RoleName(), strings.ToLower(stream)),
			Retention: p.LogRetention, AllowDeletion: p.AllowDeletion,
		})
		arns = append(arns, group.LogGroupArn())
	}
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee:      j.role,
		Actions:      jsii.Strings("logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
		ResourceArns: &arns,
	})
	return prefix
}

// uniqueName is the job's path as a name, the same for its logs and its security configuration.
func (j *SparkJob) uniqueName() string {
	return *awscdk.Names_UniqueResourceName(j, &awscdk.UniqueResourceNameOptions{
		MaxLength: jsii.Number(128), Separator: jsii.String("-"),
	})
}

// securityConfiguration encrypts logs and bookmarks. It leaves S3 alone: each bucket has a key of its own, which one
// key for all writes of the job would override.
func (j *SparkJob) securityConfiguration(key awskms.IKey) awsglue.CfnSecurityConfiguration {
	return awsglue.NewCfnSecurityConfiguration(j, jsii.String("SecurityConfiguration"), &awsglue.CfnSecurityConfigurationProps{
		Name: jsii.String(j.uniqueName()),
		EncryptionConfiguration: &awsglue.CfnSecurityConfiguration_EncryptionConfigurationProperty{
			CloudWatchEncryption: &awsglue.CfnSecurityConfiguration_CloudWatchEncryptionProperty{
				CloudWatchEncryptionMode: jsii.String("SSE-KMS"), KmsKeyArn: key.KeyArn(),
			},
			JobBookmarksEncryption: &awsglue.CfnSecurityConfiguration_JobBookmarksEncryptionProperty{
				JobBookmarksEncryptionMode: jsii.String("CSE-KMS"), KmsKeyArn: key.KeyArn(),
			},
		},
	})
}

// GrantStart lets grantee start runs of the job, watch them and stop them, as a state machine that waits for them must.
func (j *SparkJob) GrantStart(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee:      grantee,
		Actions:      jsii.Strings("glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"),
		ResourceArns: &[]*string{jsii.String(j.Arn())},
	})
}

// Name is the job's name.
func (j *SparkJob) Name() string { return *j.job.Ref() }

// Arn is the job's ARN.
func (j *SparkJob) Arn() string {
	return *awscdk.Stack_Of(j).FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("glue"), Resource: jsii.String("job"), ResourceName: j.job.Ref(),
	})
}

// Role is the role the job runs with; grant to it what the script needs.
func (j *SparkJob) Role() awsiam.Role { return j.role }
