package consumption_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsathena"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/consumption"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/security/policytest"
	"github.com/strata-cdk/strata/constructs/storage"
)

func zone(stack awscdk.Stack, id string) storage.ZoneRef {
	return storage.ZoneFromAttributes(stack, id, storage.ZoneAttributes{BucketName: strings.ToLower(id), KeyArn: fmt.Sprintf(
		"arn:%s:kms:%s:%s:key/1234abcd-12ab-34cd-56ef-1234567890ab", *stack.Partition(), *stack.Region(), *stack.Account())})
}

func workgroup(stack awscdk.Stack, change func(*consumption.WorkgroupProps)) *consumption.Workgroup {
	artifacts := zone(stack, "Artifacts")
	p := &consumption.WorkgroupProps{Name: "commerce", Artifacts: artifacts,
		Operations: catalog.NewOperations(stack, "Operations", &catalog.OperationsProps{Name: "commerce_operations", Artifacts: artifacts})}
	if change != nil {
		change(p)
	}
	return consumption.NewWorkgroup(stack, "Workgroup", p)
}

func TestWorkgroup(t *testing.T) {
	stack := cdktest.NewStack(t)
	workgroup(stack, nil)
	consumption.NewWorkgroup(stack, "Second", &consumption.WorkgroupProps{Name: "commerce-two", Artifacts: zone(stack, "Two")})
	template := cdktest.Synth(t, stack)
	group := template.Named(t, "AWS::Athena::WorkGroup", "Workgroup")
	text := cdktest.JSON(group.Body)
	for _, want := range []string{`"EnforceWorkGroupConfiguration": true`, `"PublishCloudWatchMetricsEnabled": true`,
		`"BytesScannedCutoffPerQuery": 1099511627776`, `"SelectedEngineVersion": "Athena engine version 3"`, `"EncryptionOption": "SSE_KMS"`,
		`"OutputLocation": "s3://artifacts/athena/commerce/"`, `"RecursiveDeleteOption": false`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
	for name, table := range map[string]string{"failed_batches": "batches", "failed_rules": "quality_results", "unmaintained": "maintenance_results",
		"erasures": "erasures"} {
		p := template.Named(t, "AWS::Athena::NamedQuery", "WorkgroupQuery"+strings.ReplaceAll(name, "_", "")).Properties()
		if p["Name"] != name || p["Database"] != "commerce_operations" || policytest.Flatten(p["WorkGroup"]) != "${"+group.ID+"}" ||
			!strings.Contains(p["QueryString"].(string), `FROM "commerce_operations"."`+table+`"`) {
			t.Errorf("want the built-in query %s in the workgroup, got %s", name, cdktest.JSON(p))
		}
	}
	for _, found := range [][]string{policytest.Wildcards(template), policytest.Literals(template), policytest.Nag(stack)} {
		if len(found) > 0 {
			t.Errorf("unwanted: %s", strings.Join(found, "\n"))
		}
	}
}

func TestGrantQuery(t *testing.T) {
	stack := cdktest.NewStack(t)
	curated := catalog.NewDatabase(stack, "Sales", &catalog.DatabaseProps{Name: "commerce_sales_curated", Zone: zone(stack, "Curated"), Prefix: "sales/"})
	reader := awsiam.NewRole(stack, jsii.String("Reader"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	workgroup(stack, nil).GrantQuery(reader, curated)
	template := cdktest.Synth(t, stack)
	const (
		here     = ":${AWS::Region}:${AWS::AccountId}:"
		key      = "arn:${AWS::Partition}:kms" + here + "key/1234abcd-12ab-34cd-56ef-1234567890ab"
		glue     = "arn:${AWS::Partition}:glue" + here
		artifact = "arn:${AWS::Partition}:s3:::artifacts"
		curate   = "arn:${AWS::Partition}:s3:::curated"
	)
	if err := policytest.Equal(policytest.Statements(template, "AWS::IAM::Policy", "Reader"), []string{
		"Allow athena:BatchGetNamedQuery athena:BatchGetQueryExecution athena:GetNamedQuery athena:GetQueryExecution" +
			" athena:GetQueryResults athena:GetQueryResultsStream athena:GetWorkGroup athena:ListNamedQueries" +
			" athena:ListQueryExecutions athena:StartQueryExecution athena:StopQueryExecution" +
			" on arn:${AWS::Partition}:athena" + here + "workgroup/commerce",
		"Allow glue:BatchGetPartition glue:GetDatabase glue:GetPartition glue:GetPartitions glue:GetTable glue:GetTables" +
			" on " + glue + "catalog " + glue + "database/commerce_sales_curated " + glue + "table/commerce_sales_curated/*",
		"Allow glue:GetDatabase on " + glue + "catalog " + glue + "database/default",
		"Allow kms:Decrypt kms:GenerateDataKey on " + key,
		"Allow kms:Decrypt on " + key,
		"Allow s3:AbortMultipartUpload s3:PutObject on " + artifact + "/athena/commerce/*",
		"Allow s3:GetBucketLocation on " + curate,
		"Allow s3:GetBucketLocation s3:ListBucketMultipartUploads on " + artifact,
		"Allow s3:GetObject on " + artifact + "/athena/commerce/*",
		"Allow s3:GetObject on " + curate + "/sales/*",
		"Allow s3:ListBucket on " + artifact + " if s3:prefix StringLike athena/commerce/*",
		"Allow s3:ListBucket on " + curate + " if s3:prefix StringLike sales/*",
		"Allow s3:ListMultipartUploadParts on " + artifact + "/athena/commerce/*",
	}); err != nil {
		t.Error(err)
	}
	for _, found := range [][]string{policytest.Wildcards(template), policytest.Literals(template), policytest.Nag(stack)} {
		if len(found) > 0 {
			t.Errorf("unwanted: %s", strings.Join(found, "\n"))
		}
	}
}

func TestRejection(t *testing.T) {
	err := cdktest.Rejected(t, func() { consumption.NewWorkgroup(cdktest.NewStack(t), "Bad", nil) })
	if !strings.Contains(err.Error(), "2 problems at Test/Bad") {
		t.Errorf("want the construct path and every problem, got %v", err)
	}
}

func TestPropsChangeTheTemplate(t *testing.T) {
	variants := []func(*consumption.WorkgroupProps){
		nil,
		func(p *consumption.WorkgroupProps) { p.Name = "other" },
		func(p *consumption.WorkgroupProps) { p.Doc = "words" },
		func(p *consumption.WorkgroupProps) { p.Operations = nil },
		func(p *consumption.WorkgroupProps) { p.ScanLimit = 10_000_000 },
		func(p *consumption.WorkgroupProps) { p.AllowDeletion = true },
		func(p *consumption.WorkgroupProps) {
			p.Queries = fstest.MapFS{"q.sql": {Data: []byte("SELECT 1")}}
		},
		func(p *consumption.WorkgroupProps) {
			p.Queries = fstest.MapFS{"q.sql": {Data: []byte("SELECT * FROM {{ ref('sales.orders') }}")}}
			p.Manifest = &dataset.Manifest{Datasets: []dataset.Entry{{ID: "sales.orders", Name: "orders", CleanedDatabase: "c"}}}
		},
		func(p *consumption.WorkgroupProps) {
			p.Configure = func(w *awsathena.CfnWorkGroupProps) { w.State = jsii.String("DISABLED") }
		},
	}
	render := func(change func(*consumption.WorkgroupProps)) string {
		stack := cdktest.NewStackWith(t, map[string]any{security.AllowDeletionContext: true})
		workgroup(stack, change)
		return cdktest.JSON(cdktest.Synth(t, stack))
	}
	seen := map[string]int{}
	for i, change := range variants {
		text := render(change)
		if first, again := seen[text]; again {
			t.Errorf("variants %d and %d make the same template", first, i)
		}
		seen[text] = i
	}
	undo := render(func(p *consumption.WorkgroupProps) {
		p.Configure = func(w *awsathena.CfnWorkGroupProps) {
			w.Name = jsii.String("mine")
			w.WorkGroupConfiguration = &awsathena.CfnWorkGroup_WorkGroupConfigurationProperty{EnforceWorkGroupConfiguration: jsii.Bool(false)}
		}
	})
	if undo != render(nil) {
		t.Error("Configure undid something")
	}
}
