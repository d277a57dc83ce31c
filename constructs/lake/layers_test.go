package lake_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/storage"
)

// The constructs of processing and ingestion on their own: with nothing given, with everything, and where they refuse.

func script(stack awscdk.Stack) awss3assets.Asset {
	return awss3assets.NewAsset(stack, jsii.String("Script"), &awss3assets.AssetProps{Path: jsii.String("layers_test.go")})
}

func sparkJob(t *testing.T, change func(*processing.SparkJobProps)) cdktest.Template {
	t.Helper()
	stack := cdktest.NewStack(t)
	props := &processing.SparkJobProps{Script: script(stack)}
	if change != nil {
		change(props)
	}
	job := processing.NewSparkJob(stack, "Job", props)
	starter := awsiam.NewRole(stack, jsii.String("Starter"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	job.GrantStart(starter)
	return cdktest.Synth(t, stack)
}

func TestSparkJobAlone(t *testing.T) {
	tpl := sparkJob(t, nil)
	job := tpl.One(t, "AWS::Glue::Job").Properties()
	for key, want := range map[string]any{"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2.0, "MaxRetries": 0.0, "Timeout": 120.0} {
		if job[key] != want {
			t.Errorf("%s is %v, want %v", key, job[key], want)
		}
	}
	arguments := job["DefaultArguments"].(map[string]any)
	if arguments["--job-bookmark-option"] != "job-bookmark-disable" || arguments["--datalake-formats"] != "iceberg" {
		t.Errorf("arguments are %v", arguments)
	}
	conf := arguments["--conf"].(string)
	for _, setting := range []string{".catalog-impl=org.apache.iceberg.aws.glue.GlueCatalog", " --conf spark.sql.catalog.glue_catalog.io-impl=org.apache.iceberg.aws.s3.S3FileIO", "timeZone=UTC"} {
		if !strings.Contains(conf, setting) {
			t.Errorf("want %q in --conf %q", setting, conf)
		}
	}
	prefix := arguments["--custom-logGroup-prefix"].(string)
	encryption := tpl.One(t, "AWS::Glue::SecurityConfiguration").Properties()["Name"].(string)
	role := map[string]any{"Ref": tpl.Named(t, "AWS::IAM::Role", "JobRole").ID}
	own := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "JobRole").Body)
	for _, stream := range []string{"Error", "Output"} {
		group := tpl.Named(t, "AWS::Logs::LogGroup", "Job"+stream+"Log")
		want := map[string]any{"Fn::Join": []any{"", []any{prefix + "/" + encryption + "-role/", role, "/" + strings.ToLower(stream)}}}
		if got := group.Properties()["LogGroupName"]; !reflect.DeepEqual(got, want) {
			t.Errorf("Glue writes to the group %v, the template makes %v", want, got)
		}
		if group.Properties()["KmsKeyId"] == nil || group.Properties()["RetentionInDays"] != 90.0 {
			t.Errorf("log group %v has no key or another retention than 90 days", group.Properties())
		}
		if !strings.Contains(own, `"`+group.ID+`"`) {
			t.Errorf("the job's role may not write to %s", group.ID)
		}
	}
	for _, action := range []string{"logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"} {
		if !strings.Contains(own, `"`+action+`"`) {
			t.Errorf("the job's role lacks %s", action)
		}
	}
	start := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "Starter").Body)
	for _, action := range []string{"glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"} {
		if !strings.Contains(start, `"`+action+`"`) {
			t.Errorf("a starter lacks %s", action)
		}
	}
}

// The jobs of a lake bring Delta Lake if one of its tables is in it, and only then. Of Hudi they bring nothing.
func TestSparkJobWithDelta(t *testing.T) {
	tpl := sparkJob(t, func(p *processing.SparkJobProps) {
		p.TableFormats = []dataset.TableFormat{dataset.Hudi, dataset.Delta, dataset.Iceberg, dataset.Delta}
	})
	arguments := tpl.One(t, "AWS::Glue::Job").Properties()["DefaultArguments"].(map[string]any)
	if got := arguments["--datalake-formats"]; got != "iceberg,delta" {
		t.Errorf("--datalake-formats is %v", got)
	}
	conf := arguments["--conf"].(string)
	for _, setting := range []string{
		"spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension,org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions --conf ",
		" --conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog",
	} {
		if !strings.Contains(conf, setting) {
			t.Errorf("want %q in --conf %q", setting, conf)
		}
	}
}

// Only the jobs of a lake with a Delta table may ask for what is not there, which takes the listing of the zone.
func TestDeltaTablesAreLookedFor(t *testing.T) {
	const statement = `"Condition":{"Null":{"s3:prefix":"true"}}`
	for format, want := range map[dataset.TableFormat]bool{dataset.Iceberg: false, dataset.Hudi: false, dataset.Delta: true} {
		tpl := synth(t, with(func(p *lake.Props) {
			orders := spec("sales", "orders")
			orders.TableFormat = format
			p.Models = files("sales/totals.sql", totals)
			p.Sources = lake.Sources{"Files": ingestion.FileDrop{Datasets: []dataset.Spec{orders}}}
		}))
		for _, job := range []string{"Refine", "Publish"} {
			policy := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "LakePipeline"+job).Body)
			if got := strings.Contains(strings.Join(strings.Fields(policy), ""), statement); got != want {
				t.Errorf("%s of a lake in %s: may list: %v, want %v", job, format, got, want)
			}
		}
	}
}

// TestSparkJobConfigure holds what Configure may not change.
func TestSparkJobConfigure(t *testing.T) {
	base := cdktest.JSON(sparkJob(t, nil))
	kept := sparkJob(t, func(p *processing.SparkJobProps) {
		p.Configure = func(j *awsglue.CfnJobProps) {
			j.GlueVersion, j.MaxRetries, j.SecurityConfiguration = jsii.String("4.0"), jsii.Number(3), nil
			j.DefaultArguments = map[string]any{"--job-bookmark-option": "job-bookmark-enable"}
		}
	})
	if cdktest.JSON(kept) != base {
		t.Error("Configure undoes what it may not")
	}
}

func TestSparkJobRejections(t *testing.T) {
	stack := cdktest.NewStack(t)
	bad := &processing.SparkJobProps{Libraries: []awss3assets.Asset{nil}, Arguments: map[string]string{"--x": "y"},
		TableFormats: []dataset.TableFormat{9}, Workers: 1, WorkerType: "G.3X", MaxConcurrentRuns: -1, Timeout: time.Second, LogRetention: time.Hour}
	err := cdktest.Rejected(t, func() { processing.NewSparkJob(stack, "Job", bad) })
	for _, path := range []string{"Script", "Libraries[0]", `Arguments["--x"]`, "TableFormats[0]", "Workers", "WorkerType", "MaxConcurrentRuns", "Timeout", "LogRetention"} {
		if !strings.Contains(err.Error(), "\n  "+path+": ") {
			t.Errorf("%s is not refused: %v", path, err)
		}
	}
	_ = cdktest.Rejected(t, func() { processing.NewSparkJob(stack, "Nil", nil) })
	err = cdktest.Rejected(t, func() {
		processing.NewSparkJob(stack, "Typed", &processing.SparkJobProps{Script: script(stack), Configure: func(j *awsglue.CfnJobProps) {
			j.DefaultArguments = map[string]string{}
		}})
	})
	if !strings.Contains(err.Error(), "DefaultArguments: has another type; got \"map[string]string\"") {
		t.Error(err)
	}
}

func TestPipelineAndArrivalsRejections(t *testing.T) {
	stack := cdktest.NewStack(t)
	err := cdktest.Rejected(t, func() { processing.NewPipeline(stack, "Pipeline", nil) })
	for _, path := range []string{"Manifest", "Raw", "Artifacts", "Ledger", "Alarms", "Cleaned", "Quarantine"} {
		if !strings.Contains(err.Error(), "\n  "+path+": is missing") {
			t.Errorf("%s is not asked for: %v", path, err)
		}
	}
	err = cdktest.Rejected(t, func() {
		ingestion.NewArrivals(stack, "Arrivals", &ingestion.ArrivalsProps{ReconcileEvery: 90 * time.Second, LogRetention: time.Hour})
	})
	for _, want := range []string{"Manifest: is missing", "Raw: is missing", "Ledger: is missing", "Waker: is missing",
		"ReconcileEvery: is out of range; got 1m30s", "LogRetention: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}

// TestFileDropAlone holds that a file drop works without a lake, on a zone the stack owns and on one it imports, and
// makes no resource of its own.
func TestFileDropAlone(t *testing.T) {
	drop := func(stack awscdk.Stack, raw storage.ZoneRef) string {
		sender := awsiam.NewRole(stack, jsii.String("Sender"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
		before := len(*stack.Node().FindAll(""))
		landing := ingestion.NewFileDrop(stack, "ErpFiles", &ingestion.FileDropProps{
			FileDrop: ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders")}}, Raw: raw,
		})
		if made := len(*stack.Node().FindAll("")) - before; made != 1 {
			t.Errorf("a file drop makes %d constructs, want itself alone", made)
		}
		landing.GrantLand(sender)
		if !strings.HasSuffix(landing.URI(), "/erp-files/") {
			t.Errorf("files land at %s", landing.URI())
		}
		return cdktest.JSON(cdktest.Synth(t, stack).Named(t, "AWS::IAM::Policy", "Sender").Body)
	}
	owned := cdktest.NewStack(t)
	if got := drop(owned, storage.NewZone(owned, "Raw", &storage.ZoneProps{Landing: true})); !strings.Contains(got, "/erp-files/*") {
		t.Errorf("owned: %s", got)
	}
	imported := cdktest.NewStack(t)
	raw := storage.ZoneFromAttributes(imported, "Raw", storage.ZoneAttributes{
		BucketName: "raw", KeyArn: "arn:aws:kms:eu-west-1:111122223333:key/one",
	})
	if got := drop(imported, raw); !strings.Contains(got, "raw/erp-files/*") {
		t.Errorf("imported: %s", got)
	}
	_ = cdktest.Rejected(t, func() { ingestion.NewFileDrop(imported, "my files", nil) })
}
