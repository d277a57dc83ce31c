package ingestion

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesisfirehose"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/lambda/contract"
)

const (
	// Firehose gives an invocation up after five minutes; one that lasts this long waits for its own stream.
	transformTimeout = 2 * time.Minute
	redeliverTimeout = 15 * time.Minute

	// Records are gathered for the transformation up to this size in MiB and time; these are Firehose's defaults. Base64
	// makes four bytes of three, and the response is a little larger than the request: 6 MB are far away.
	gatherSize = 1
	gatherTime = time.Minute

	// Of a failed invocation all records go to the error output after this many further tries.
	transformRetries = 3

	// How long Firehose tries to write to one partition's prefix.
	partitionRetry = 5 * time.Minute

	// Deliveries that are this much later than one and a half intervals are an alarm.
	deliveryGrace = 10 * time.Minute

	errorLogStream = "S3Delivery"
)

// DeliveryStream is a Firehose stream into the raw zone, with the function transform that prepares its records, the
// function redeliver that puts failed ones back, and Firehose's error log. Idle it costs nothing but its two alarms. A GB
// of records costs about 0.05 USD (0.029 for the ingestion, where each record counts as a multiple of 5 KB, and 0.02 for
// the partitioning), a thousand objects 0.005 USD; the functions cost about 0.003 USD a GB (list prices, us-east-1).
type DeliveryStream struct {
	constructs.Construct
	props                StreamProps
	folder, errors       string
	role                 awsiam.Role
	log                  awslogs.ILogGroup
	transform, redeliver awslambda.Function
	stream               awskinesisfirehose.CfnDeliveryStream
}

// NewStream makes a delivery stream and lets its producers put records into it. The id is the source's id: in lower case
// with dashes it is the first folder of everything that lands, so changing it is a breaking change.
func NewStream(scope constructs.Construct, id string, props *StreamProps) *DeliveryStream {
	var l check.List
	l.Under("id", CheckID(id))
	l.Under("", props.Validate())
	check.Must(*scope.Node().Path()+"/"+id, l.Err())
	d := &DeliveryStream{props: *props, folder: Folder(id), errors: contract.ErrorsFolder(Folder(id))}
	constructs.NewConstruct_Override(d, scope, jsii.String(id))
	d.props.Key = security.NewKeyFor(d, "Key", props.Key, &security.KeyProps{
		Description: "Strata stream " + id, Services: []security.ServiceUse{security.LogGroups}, AllowDeletion: props.AllowDeletion,
	})
	d.newTransform()
	d.newRole()
	d.newDelivery()
	d.newRedeliver()
	for _, p := range props.Producers {
		d.GrantPut(p)
	}
	d.watch()
	d.newOutputs()
	return d
}

func (d *DeliveryStream) newTransform() {
	d.transform = handler.New(d, "Transform", handler.Props{
		Name:        "transform",
		Description: "Ends each record of the stream with a newline and says which dataset it belongs to",
		Environment: map[string]string{contract.Lake: d.props.Lake, contract.RoutingVariable: d.props.routing()},
		Timeout:     transformTimeout, Memory: 512, LogGroup: d.logGroup("TransformLog"),
	})
}

// newRole makes the role under which Firehose works: it may call the transform, write below the source's two folders
// and to the error log, and nothing else.
func (d *DeliveryStream) newRole() {
	d.log = d.logGroup("ErrorLog")
	awslogs.NewCfnLogStream(d, jsii.String("ErrorLogStream"), &awslogs.CfnLogStreamProps{
		LogGroupName: d.log.LogGroupName(), LogStreamName: jsii.String(errorLogStream),
	})
	d.role = awsiam.NewRole(d, jsii.String("Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("firehose.amazonaws.com"), nil),
		Description: jsii.String("Delivers the records of a stream to the raw zone"),
	})
	raw := d.props.Raw
	raw.GrantPut(d.role, d.folder, d.errors)
	allow := func(arns []string, actions ...string) {
		awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
			Grantee: d.role, Actions: jsii.Strings(actions...), ResourceArns: jsii.Strings(arns...),
		})
	}
	allow([]string{raw.BucketArn() + "/" + d.folder + "*", raw.BucketArn() + "/" + d.errors + "*"}, "s3:GetObject")
	allow([]string{raw.BucketArn()}, "s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads")
	// Firehose's own records name the function by its latest version.
	function := *d.transform.FunctionArn()
	allow([]string{function, function + ":$LATEST"}, "lambda:GetFunctionConfiguration", "lambda:InvokeFunction")
	allow([]string{*d.log.LogGroupArn()}, "logs:PutLogEvents")
}

func (d *DeliveryStream) newDelivery() {
	props := &awskinesisfirehose.CfnDeliveryStreamProps{ExtendedS3DestinationConfiguration: d.destination()}
	if d.props.Configure != nil {
		d.props.Configure(props)
	}
	props.DeliveryStreamType = jsii.String("DirectPut")
	props.DeliveryStreamEncryptionConfigurationInput = &awskinesisfirehose.CfnDeliveryStream_DeliveryStreamEncryptionConfigurationInputProperty{
		KeyType: jsii.String("CUSTOMER_MANAGED_CMK"), KeyArn: d.props.Raw.Key().KeyArn(),
	}
	type destination = awskinesisfirehose.CfnDeliveryStream_ExtendedS3DestinationConfigurationProperty
	configured, ok := props.ExtendedS3DestinationConfiguration.(*destination)
	if !ok || configured == nil {
		var l check.List
		l.Add("Configure: ExtendedS3DestinationConfiguration", "has another type", fmt.Sprintf("%T", props.ExtendedS3DestinationConfiguration),
			"the pointer that was there, with its fields changed")
		check.Must(*d.Node().Path(), l.Err())
	}
	fixed := d.destination()
	fixed.BufferingHints, fixed.CustomTimeZone = configured.BufferingHints, configured.CustomTimeZone
	fixed.S3BackupMode, fixed.S3BackupConfiguration = configured.S3BackupMode, configured.S3BackupConfiguration
	props.ExtendedS3DestinationConfiguration = fixed
	d.stream = awskinesisfirehose.NewCfnDeliveryStream(d, jsii.String("Stream"), props)
	// Firehose tries its role out when the stream is made.
	d.stream.Node().AddDependency(d.role)
	// What does not fit a response goes back into the stream. The policy is a resource of its own, because the stream waits
	// for the function, which waits for its role's default policy.
	awsiam.NewPolicy(d, jsii.String("TransformPutsBack"), &awsiam.PolicyProps{
		Roles: &[]awsiam.IRole{d.transform.Role()},
		Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings("firehose:PutRecordBatch"), Resources: &[]*string{d.stream.AttrArn()},
		})},
	})
}

func (d *DeliveryStream) destination() *awskinesisfirehose.CfnDeliveryStream_ExtendedS3DestinationConfigurationProperty {
	return &awskinesisfirehose.CfnDeliveryStream_ExtendedS3DestinationConfigurationProperty{
		BucketArn: jsii.String(d.props.Raw.BucketArn()),
		RoleArn:   d.role.RoleArn(),
		Prefix: jsii.String(d.folder + "!{partitionKeyFromLambda:" + contract.PartitionDomain + "}/!{partitionKeyFromLambda:" +
			contract.PartitionDataset + "}/ingest_date=!{timestamp:yyyy-MM-dd}/"),
		ErrorOutputPrefix: jsii.String(d.errors + "!{firehose:error-output-type}/ingest_date=!{timestamp:yyyy-MM-dd}/"),
		BufferingHints: &awskinesisfirehose.CfnDeliveryStream_BufferingHintsProperty{
			SizeInMBs: jsii.Number(d.props.bufferSize()), IntervalInSeconds: seconds(d.props.bufferInterval()),
		},
		CompressionFormat: jsii.String("GZIP"),
		FileExtension:     jsii.String(".gz"), // jobs tell gzip by it
		EncryptionConfiguration: &awskinesisfirehose.CfnDeliveryStream_EncryptionConfigurationProperty{
			KmsEncryptionConfig: &awskinesisfirehose.CfnDeliveryStream_KMSEncryptionConfigProperty{AwskmsKeyArn: d.props.Raw.Key().KeyArn()},
		},
		CloudWatchLoggingOptions: &awskinesisfirehose.CfnDeliveryStream_CloudWatchLoggingOptionsProperty{
			Enabled: jsii.Bool(true), LogGroupName: d.log.LogGroupName(), LogStreamName: jsii.String(errorLogStream),
		},
		// It cannot be turned on later, so even a stream of one dataset has it: a second one then changes no resource.
		DynamicPartitioningConfiguration: &awskinesisfirehose.CfnDeliveryStream_DynamicPartitioningConfigurationProperty{
			Enabled:      jsii.Bool(true),
			RetryOptions: &awskinesisfirehose.CfnDeliveryStream_RetryOptionsProperty{DurationInSeconds: seconds(partitionRetry)},
		},
		ProcessingConfiguration: &awskinesisfirehose.CfnDeliveryStream_ProcessingConfigurationProperty{
			Enabled: jsii.Bool(true),
			Processors: &[]any{&awskinesisfirehose.CfnDeliveryStream_ProcessorProperty{
				Type: jsii.String("Lambda"), Parameters: d.processor(),
			}},
		},
	}
}

func (d *DeliveryStream) processor() *[]any {
	var parameters []any
	add := func(name string, value *string) {
		parameters = append(parameters, &awskinesisfirehose.CfnDeliveryStream_ProcessorParameterProperty{
			ParameterName: jsii.String(name), ParameterValue: value,
		})
	}
	add("LambdaArn", d.transform.FunctionArn())
	add("RoleArn", d.role.RoleArn())
	add("NumberOfRetries", jsii.String(strconv.Itoa(transformRetries)))
	add("BufferSizeInMBs", jsii.String(strconv.Itoa(gatherSize)))
	add("BufferIntervalInSeconds", jsii.String(strconv.Itoa(int(gatherTime/time.Second))))
	return &parameters
}

func seconds(d time.Duration) *float64 { return jsii.Number(float64(d / time.Second)) }

func (d *DeliveryStream) newRedeliver() {
	d.redeliver = handler.New(d, "Redeliver", handler.Props{
		Name:        "redeliver",
		Description: "Puts the records of failed deliveries, and of names without a folder, back into the stream",
		Environment: map[string]string{
			contract.Lake: d.props.Lake, contract.LedgerTable: d.props.Ledger.TableName(), contract.RawBucket: d.props.Raw.BucketName(),
			contract.DeliveryStream: d.StreamName(), contract.ErrorsPrefix: d.errors,
		},
		Timeout: redeliverTimeout, Memory: 512, LogGroup: d.logGroup("RedeliverLog"),
	})
	d.props.Raw.GrantReadVersions(d.redeliver, d.errors, contract.UnroutedFolder(d.folder))
	d.props.Ledger.Grant(d.redeliver, catalog.Redeliver)
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: d.redeliver, Actions: jsii.Strings("firehose:PutRecordBatch"), ResourceArns: &[]*string{d.stream.AttrArn()},
	})
}

func (d *DeliveryStream) logGroup(id string) awslogs.ILogGroup {
	return security.NewLogGroup(d, id, &security.LogGroupProps{
		Key: d.props.Key, Retention: d.props.LogRetention, AllowDeletion: d.props.AllowDeletion,
	})
}

// watch raises alarms on what only Firehose knows. Failed deliveries are the lake's own metric.
func (d *DeliveryStream) watch() {
	if d.props.Alarms == nil {
		return
	}
	metric := func(name, statistic string) awscloudwatch.IMetric {
		return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/Firehose"), MetricName: jsii.String(name), Statistic: jsii.String(statistic),
			DimensionsMap: &map[string]*string{"DeliveryStreamName": d.stream.Ref()},
			Period:        awscdk.Duration_Minutes(jsii.Number(5)),
		})
	}
	d.props.Alarms.Watch(d, "Throttled", &awscloudwatch.AlarmProps{
		AlarmDescription: jsii.String("Firehose refuses records beyond the stream's quota; producers have to put them again: ask for a higher quota."),
		Metric:           metric("ThrottledRecords", "Sum"),
	})
	late := d.props.bufferInterval()*3/2 + gatherTime + deliveryGrace
	d.props.Alarms.Watch(d, "Late", &awscloudwatch.AlarmProps{
		AlarmDescription: jsii.String("Records wait in Firehose longer than its buffer explains: look at the error log " + errorLogStream + "."),
		Metric:           metric("DeliveryToS3.DataFreshness", "Maximum"), Threshold: seconds(late),
	})
}

func (d *DeliveryStream) newOutputs() {
	output := func(id, doc, value string) {
		awscdk.NewCfnOutput(d, jsii.String(id), &awscdk.CfnOutputProps{Description: jsii.String(doc), Value: jsii.String(value)})
	}
	output("StreamName", "Firehose stream into which producers put records", d.StreamName())
	output("RedeliverCommand", "Puts back into the stream what could not be delivered; others: prefix, or key and version",
		handler.InvokeCommand(*d.redeliver.FunctionName(), `{"action":"`+contract.ActionRedeliver+`"}`))
}

// GrantPut lets producer put records into the stream. Firehose encrypts them in its own name, so the producer needs no
// right to a key.
func (d *DeliveryStream) GrantPut(producer awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: producer, Actions: jsii.Strings("firehose:PutRecord", "firehose:PutRecordBatch"),
		ResourceArns: &[]*string{d.stream.AttrArn()},
	})
}

// GrantRedeliver lets grantee put the records of failed deliveries, and of names without a folder, back.
func (d *DeliveryStream) GrantRedeliver(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("lambda:InvokeFunction"), ResourceArns: &[]*string{d.redeliver.FunctionArn()},
	})
}

// StreamName is the name of the Firehose stream.
func (d *DeliveryStream) StreamName() string { return *d.stream.Ref() }

// RedeliverName is the name of the function an operator invokes to put failed deliveries back.
func (d *DeliveryStream) RedeliverName() string { return *d.redeliver.FunctionName() }
