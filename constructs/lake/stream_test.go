package lake_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesisfirehose"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/operations"
	"github.com/strata-cdk/strata/constructs/security/policytest"
	"github.com/strata-cdk/strata/constructs/storage"
)

func importedRaw(stack awscdk.Stack) storage.ZoneRef {
	return storage.ZoneFromAttributes(stack, "Raw", storage.ZoneAttributes{BucketName: "raw", KeyArn: "arn:aws:kms:eu-west-1:111122223333:key/raw"})
}

// aStream is a stream that stands alone on a zone and a ledger of others.
func aStream(t *testing.T, change func(awscdk.Stack, *ingestion.StreamProps)) cdktest.Template {
	t.Helper()
	stack := cdktest.NewStack(t)
	props := &ingestion.StreamProps{
		Stream: ingestion.Stream{Datasets: []dataset.Spec{spec("web", "clicks")}}, Lake: "shop", Raw: importedRaw(stack),
		Ledger: catalog.LedgerFromAttributes(stack, "Ledger", catalog.LedgerAttributes{TableName: "ledger", KeyArn: "arn:aws:kms:eu-west-1:111122223333:key/ledger"}),
	}
	if change != nil {
		change(stack, props)
	}
	ingestion.NewStream(stack, "WebClicks", props)
	return cdktest.Synth(t, stack)
}

// logicalID is a reference's logical id with its hash.
var logicalID = regexp.MustCompile(`([A-Za-z])[0-9A-F]{8}\b`)

func statementsOf(tpl cdktest.Template, policy string) []string {
	lines := policytest.Statements(tpl, "AWS::IAM::Policy", policy)
	for i, l := range lines {
		lines[i] = logicalID.ReplaceAllString(l, "$1")
	}
	return lines
}

func TestStreamAlone(t *testing.T) {
	tpl := aStream(t, func(stack awscdk.Stack, p *ingestion.StreamProps) {
		p.Producers = []awsiam.IGrantable{awsiam.NewRole(stack, jsii.String("Shop"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})}
	})
	stream := tpl.One(t, "AWS::KinesisFirehose::DeliveryStream")
	got := cdktest.JSON(stream.Properties())
	for _, want := range []string{
		`"Prefix": "web-clicks/!{partitionKeyFromLambda:domain}/!{partitionKeyFromLambda:dataset}/ingest_date=!{timestamp:yyyy-MM-dd}/"`,
		`"ErrorOutputPrefix": "web-clicks-errors/!{firehose:error-output-type}/ingest_date=!{timestamp:yyyy-MM-dd}/"`,
		`"SizeInMBs": 64`, `"IntervalInSeconds": 300`, `"CompressionFormat": "GZIP"`, `"FileExtension": ".gz"`,
		`"AWSKMSKeyARN": "arn:aws:kms:eu-west-1:111122223333:key/raw"`, `"KeyARN": "arn:aws:kms:eu-west-1:111122223333:key/raw"`,
		`"KeyType": "CUSTOMER_MANAGED_CMK"`, `"DeliveryStreamType": "DirectPut"`, `"DurationInSeconds": 300`, `"ParameterName": "LambdaArn"`,
		`"LogStreamName": "S3Delivery"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %s in %s", want, got)
		}
	}
	depends := cdktest.JSON(stream.Body["DependsOn"])
	for _, role := range []string{"WebClicksRole", "WebClicksRoleDefaultPolicy"} {
		if !strings.Contains(depends, role) {
			t.Errorf("the stream may be made before %s: %s", role, depends)
		}
	}
	transform := tpl.Named(t, "AWS::Lambda::Function", "WebClicksTransform").Properties()["Environment"]
	if got := cdktest.JSON(transform); !strings.Contains(got, `"ROUTING": "{\"field\":\"\",\"datasets\":[\"web.clicks\"]}"`) || !strings.Contains(got, `"LAKE": "shop"`) {
		t.Errorf("the transform reads %s", got)
	}
	outputs := cdktest.JSON(tpl["Outputs"])
	for _, want := range []string{"RedeliverCommand", "StreamName", `{\"action\":\"redeliver\"}`} {
		if !strings.Contains(outputs, want) {
			t.Errorf("want %s in %s", want, outputs)
		}
	}
	if n := len(tpl.Resources("AWS::CloudWatch::Alarm")); n != 0 {
		t.Errorf("%d alarms without anybody to tell", n)
	}
}

// TestStreamPolicies holds every permission to what is needed, word for word.
func TestStreamPolicies(t *testing.T) {
	tpl := aStream(t, func(stack awscdk.Stack, p *ingestion.StreamProps) {
		p.Producers = []awsiam.IGrantable{awsiam.NewRole(stack, jsii.String("Shop"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})}
	})
	for policy, want := range map[string][]string{
		"WebClicksRoleDefaultPolicy": {
			"Allow kms:Decrypt kms:GenerateDataKey on arn:aws:kms:eu-west-1:111122223333:key/raw",
			"Allow lambda:GetFunctionConfiguration lambda:InvokeFunction on ${WebClicksTransform.Arn} ${WebClicksTransform.Arn}:$LATEST",
			"Allow logs:PutLogEvents on ${WebClicksErrorLog.Arn}",
			"Allow s3:AbortMultipartUpload s3:PutObject on arn:${AWS::Partition}:s3:::raw/web-clicks-errors/* arn:${AWS::Partition}:s3:::raw/web-clicks/*",
			"Allow s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads on arn:${AWS::Partition}:s3:::raw",
			"Allow s3:GetObject on arn:${AWS::Partition}:s3:::raw/web-clicks/* arn:${AWS::Partition}:s3:::raw/web-clicks-errors/*",
		},
		"WebClicksTransformRoleDefaultPolicy": {"Allow logs:CreateLogStream logs:PutLogEvents on ${WebClicksTransformLog.Arn}"},
		"WebClicksTransformPutsBack":          {"Allow firehose:PutRecordBatch on ${WebClicksStream.Arn}"},
		"WebClicksRedeliverRoleDefaultPolicy": {
			"Allow dynamodb:GetItem dynamodb:Query dynamodb:UpdateItem on arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/ledger",
			"Allow firehose:PutRecordBatch on ${WebClicksStream.Arn}",
			"Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:ReEncryptFrom kms:ReEncryptTo on arn:aws:kms:eu-west-1:111122223333:key/ledger",
			"Allow kms:Decrypt on arn:aws:kms:eu-west-1:111122223333:key/raw",
			"Allow logs:CreateLogStream logs:PutLogEvents on ${WebClicksRedeliverLog.Arn}",
			"Allow s3:GetObject s3:GetObjectVersion on arn:${AWS::Partition}:s3:::raw/web-clicks-errors/* arn:${AWS::Partition}:s3:::raw/web-clicks/_unrouted/*",
			"Allow s3:ListBucket s3:ListBucketVersions on arn:${AWS::Partition}:s3:::raw if s3:prefix StringLike web-clicks-errors/* web-clicks/_unrouted/*",
		},
		"ShopDefaultPolicy": {"Allow firehose:PutRecord firehose:PutRecordBatch on ${WebClicksStream.Arn}"},
	} {
		if err := policytest.Equal(statementsOf(tpl, policy), want); err != nil {
			t.Errorf("%s: %v", policy, err)
		}
	}
	if found := policytest.Wildcards(tpl); len(found) != 0 {
		t.Errorf("wildcards: %v", found)
	}
}

// TestStreamConfigure holds what Configure may change, and what it may not.
func TestStreamConfigure(t *testing.T) {
	base := cdktest.JSON(aStream(t, nil))
	buffered := aStream(t, func(_ awscdk.Stack, p *ingestion.StreamProps) {
		p.Configure = func(s *awskinesisfirehose.CfnDeliveryStreamProps) {
			d := s.ExtendedS3DestinationConfiguration.(*awskinesisfirehose.CfnDeliveryStream_ExtendedS3DestinationConfigurationProperty)
			d.BufferingHints = &awskinesisfirehose.CfnDeliveryStream_BufferingHintsProperty{SizeInMBs: jsii.Number(70), IntervalInSeconds: jsii.Number(70)}
		}
	})
	if cdktest.JSON(buffered) == base {
		t.Error("Configure: buffer changes nothing")
	}
	kept := aStream(t, func(_ awscdk.Stack, p *ingestion.StreamProps) {
		p.Configure = func(s *awskinesisfirehose.CfnDeliveryStreamProps) {
			d := s.ExtendedS3DestinationConfiguration.(*awskinesisfirehose.CfnDeliveryStream_ExtendedS3DestinationConfigurationProperty)
			d.Prefix, d.ErrorOutputPrefix, d.CompressionFormat, d.FileExtension = jsii.String("x/"), jsii.String("y/"), jsii.String("UNCOMPRESSED"), nil
			d.EncryptionConfiguration, d.ProcessingConfiguration, d.DynamicPartitioningConfiguration = nil, nil, nil
			d.CloudWatchLoggingOptions, d.RoleArn, d.BucketArn = nil, jsii.String("r"), jsii.String("b")
			s.DeliveryStreamType, s.DeliveryStreamEncryptionConfigurationInput = jsii.String("KinesisStreamAsSource"), nil
		}
	})
	if cdktest.JSON(kept) != base {
		t.Error("Configure undoes what it may not")
	}
}

func TestStreamAlarms(t *testing.T) {
	tpl := aStream(t, func(stack awscdk.Stack, p *ingestion.StreamProps) {
		p.Alarms = operations.NewAlarms(stack, "Alarms", &operations.AlarmsProps{Lake: "shop"})
	})
	late := tpl.Named(t, "AWS::CloudWatch::Alarm", "WebClicksLate").Properties()
	if late["MetricName"] != "DeliveryToS3.DataFreshness" || late["Threshold"] != 1110.0 || late["TreatMissingData"] != "notBreaching" {
		t.Errorf("late: %v", late)
	}
	throttled := tpl.Named(t, "AWS::CloudWatch::Alarm", "WebClicksThrottled").Properties()
	if throttled["MetricName"] != "ThrottledRecords" || throttled["Threshold"] != 0.0 || throttled["AlarmActions"] == nil {
		t.Errorf("throttled: %v", throttled)
	}
}

func TestStreamRejections(t *testing.T) {
	stack := cdktest.NewStack(t)
	err := cdktest.Rejected(t, func() { ingestion.NewStream(stack, "web clicks", nil) })
	for _, path := range []string{"id", "Lake", "Raw", "Ledger", "Datasets"} {
		if !strings.Contains(err.Error(), "\n  "+path+": ") {
			t.Errorf("%s is not refused: %v", path, err)
		}
	}
	err = cdktest.Rejected(t, func() {
		aStream(t, func(_ awscdk.Stack, p *ingestion.StreamProps) {
			p.Configure = func(s *awskinesisfirehose.CfnDeliveryStreamProps) {
				s.ExtendedS3DestinationConfiguration = map[string]any{}
			}
		})
	})
	if !strings.Contains(err.Error(), "Configure: ExtendedS3DestinationConfiguration: has another type") {
		t.Error(err)
	}
	bare := struct{ storage.LakeRef }{}
	err = cdktest.Rejected(t, func() {
		ingestion.Stream{Datasets: []dataset.Spec{spec("web", "clicks")}}.Attach(stack, "Clicks", bare)
	})
	if !strings.Contains(err.Error(), "lake: gives a landing zone only") {
		t.Error(err)
	}
}

// TestStreamInALake holds that a lake takes a stream beside files, and that a further dataset costs no resource.
func TestStreamInALake(t *testing.T) {
	with := func(datasets ...dataset.Spec) (*lake.Props, cdktest.Template) {
		props := minimal()
		props.Sources["Clicks"] = ingestion.Stream{Datasets: datasets, RouteBy: "dataset"}
		return props, synth(t, props)
	}
	_, one := with(spec("web", "clicks"))
	_, two := with(spec("web", "clicks"), spec("web", "errors"))
	if a, b := len(one.Resources("")), len(two.Resources("")); a != b {
		t.Errorf("a stream of one dataset makes %d resources, of two %d", a, b)
	}
	stream := func(tpl cdktest.Template) string {
		return cdktest.JSON(tpl.One(t, "AWS::KinesisFirehose::DeliveryStream").Body)
	}
	if stream(one) != stream(two) {
		t.Error("a further dataset changes the delivery stream")
	}
	routing := cdktest.JSON(two.Named(t, "AWS::Lambda::Function", "LakeClicksTransform").Properties()["Environment"])
	if !strings.Contains(routing, `{\"field\":\"dataset\",\"datasets\":[\"web.clicks\",\"web.errors\"]}`) {
		t.Errorf("the transform reads %s", routing)
	}
	raw := two.Named(t, "AWS::KMS::Key", "LakeKeysRaw").ID
	if got := stream(two); strings.Count(got, `"`+raw+`"`) != 2 {
		t.Errorf("records and objects are not both under the raw zone's key %s: %s", raw, got)
	}
	if policies := statementsOf(two, "LakeClicksRedeliverRole"); !slices.ContainsFunc(policies, func(l string) bool { return strings.Contains(l, "dynamodb:UpdateItem") }) {
		t.Errorf("redeliver may not write the ledger: %v", policies)
	}
	props, _ := with(spec("web", "clicks"))
	stack := cdktest.NewStack(t)
	lake.New(stack, "Lake", props)
	if found := policytest.Nag(stack); len(found) != 0 {
		t.Errorf("rule pack: %v", found)
	}
	clash := minimal()
	clash.Sources["Clicks"] = ingestion.Stream{Datasets: []dataset.Spec{spec("web", "clicks")}}
	clash.Sources["ClicksErrors"] = ingestion.FileDrop{Datasets: []dataset.Spec{spec("web", "errors")}}
	taken := lake.Props{Name: "shop", Sources: lake.Sources{"Corrections": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders")}}}}
	if err := taken.Validate(); err == nil || !strings.Contains(err.Error(), `Sources["Corrections"]: lands where corrections of refused records lie; got "corrections/"; allowed: another id`) {
		t.Errorf("error = %v", err)
	}
	if err := clash.Validate(); err == nil || !strings.Contains(err.Error(), `Sources["ClicksErrors"]: lands where what Sources["Clicks"] cannot deliver lies; got "clicks-errors/"`) {
		t.Errorf("a source in the error folder of another: %v", err)
	}
}
