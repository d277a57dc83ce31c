package catalog_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/security/policytest"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

const (
	bucketArn = "arn:${AWS::Partition}:s3:::lake"
	zoneKey   = "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	glueArn   = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:"
)

func keyArn(stack awscdk.Stack) string {
	return fmt.Sprintf("arn:%s:kms:%s:%s:key/1234abcd-12ab-34cd-56ef-1234567890ab", *stack.Partition(), *stack.Region(), *stack.Account())
}

func zone(stack awscdk.Stack) storage.ZoneRef {
	return storage.ZoneFromAttributes(stack, "Zone", storage.ZoneAttributes{BucketName: "lake", KeyArn: keyArn(stack)})
}

func role(stack awscdk.Stack, id string) awsiam.Role {
	return awsiam.NewRole(stack, jsii.String(id), &awsiam.RoleProps{AssumedBy: awsiam.NewServicePrincipal(jsii.String("glue.amazonaws.com"), nil)})
}

func findNothing(t *testing.T, template cdktest.Template, stack awscdk.Stack) {
	t.Helper()
	for _, found := range [][]string{policytest.Wildcards(template), policytest.Literals(template), policytest.Nag(stack)} {
		if len(found) > 0 {
			t.Errorf("unwanted: %s", strings.Join(found, "\n"))
		}
	}
}

func TestDatabases(t *testing.T) {
	stack := cdktest.NewStack(t)
	z := zone(stack)
	sales := catalog.NewDatabase(stack, "Sales", &catalog.DatabaseProps{Name: "commerce_sales_cleaned", Zone: z, Prefix: "sales/"})
	catalog.NewDatabase(stack, "Hr", &catalog.DatabaseProps{Name: "commerce_hr_cleaned", Doc: "People.", Zone: z, Prefix: "hr/"})
	imported := catalog.DatabaseFromAttributes(stack, "Other", catalog.DatabaseAttributes{Name: "other", Zone: z, Prefix: "other/"})
	sales.GrantRead(role(stack, "Read"))
	sales.GrantReadWrite(role(stack, "Write"))
	imported.GrantRead(role(stack, "Guest"))
	catalog.GrantRead(role(stack, "Many"), sales, imported)
	catalog.GrantRead(role(stack, "Nobody"))
	template := cdktest.Synth(t, stack)
	if n := len(template.Resources("AWS::Glue::Database")); n != 2 {
		t.Fatalf("want two databases, got %d", n)
	}
	db := template.Named(t, "AWS::Glue::Database", "Sales")
	input := db.Properties()["DatabaseInput"].(map[string]any)
	if input["Name"] != "commerce_sales_cleaned" || input["LocationUri"] != "s3://lake/sales/" || db.Body["DeletionPolicy"] != "Retain" {
		t.Errorf("got %s", cdktest.JSON(db.Body))
	}
	tables := func(actions, database string) string {
		return "Allow " + actions + " on " + glueArn + "catalog " + glueArn + "database/" + database + " " + glueArn + "table/" + database + "/*"
	}
	const readActions = "glue:BatchGetPartition glue:GetDatabase glue:GetPartition glue:GetPartitions glue:GetTable glue:GetTables"
	tests := map[string][]string{
		"Read": {
			tables(readActions, "commerce_sales_cleaned"),
			"Allow kms:Decrypt on " + zoneKey,
			"Allow s3:GetObject on " + bucketArn + "/sales/*",
			"Allow s3:ListBucket on " + bucketArn + " if s3:prefix StringLike sales/*",
		},
		"Write": {
			tables("glue:CreateTable glue:GetDatabase glue:GetTable glue:GetTables glue:UpdateTable", "commerce_sales_cleaned"),
			"Allow kms:Decrypt kms:GenerateDataKey on " + zoneKey,
			"Allow s3:AbortMultipartUpload s3:DeleteObject s3:GetObject s3:PutObject on " + bucketArn + "/sales/*",
			"Allow s3:ListBucket on " + bucketArn + " if s3:prefix StringLike sales/*",
		},
		"Guest": {
			tables(readActions, "other"),
			"Allow kms:Decrypt on " + zoneKey,
			"Allow s3:GetObject on " + bucketArn + "/other/*",
			"Allow s3:ListBucket on " + bucketArn + " if s3:prefix StringLike other/*",
		},
	}
	tests["Many"] = []string{
		"Allow " + readActions + " on " + glueArn + "catalog " + glueArn + "database/commerce_sales_cleaned " + glueArn + "table/commerce_sales_cleaned/* " +
			glueArn + "database/other " + glueArn + "table/other/*",
		"Allow kms:Decrypt on " + zoneKey,
		"Allow s3:GetObject on " + bucketArn + "/other/* " + bucketArn + "/sales/*",
		"Allow s3:ListBucket on " + bucketArn + " if s3:prefix StringLike other/* sales/*",
	}
	tests["Nobody"] = nil
	for id, want := range tests {
		if err := policytest.Equal(policytest.Statements(template, "AWS::IAM::Policy", id), want); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	findNothing(t, template, stack)
	if n := len(policytest.Suppressions(template)); n != 2 {
		t.Errorf("want two reasons in all, for objects and for tables, got %d", n)
	}
}

func TestOperations(t *testing.T) {
	stack := cdktest.NewStack(t)
	ops := catalog.NewOperations(stack, "Operations", &catalog.OperationsProps{Name: "commerce_operations", Artifacts: zone(stack)})
	ops.GrantRead(role(stack, "Read"))
	template := cdktest.Synth(t, stack)
	kept := cdktest.JSON(template.Named(t, "AWS::Glue::Table", "OperationsMaintenanceResults").Body)
	for _, want := range []string{`"Name": "maintenance_results"`, `"Location": "s3://lake/maintenance/results/"`, `"Name": "orphans_removed"`} {
		if !strings.Contains(kept, want) {
			t.Errorf("want %s in %s", want, kept)
		}
	}
	results := cdktest.JSON(template.Named(t, "AWS::Glue::Table", "OperationsQualityResults").Body)
	for _, want := range []string{`"Name": "quality_results"`, `"Location": "s3://lake/quality/results/"`, `"Name": "observed"`, `"Type": "double"`} {
		if !strings.Contains(results, want) {
			t.Errorf("want %s in %s", want, results)
		}
	}
	corrections := cdktest.JSON(template.Named(t, "AWS::Glue::Table", "OperationsCorrections").Body)
	if !strings.Contains(corrections, `"Location": "s3://lake/corrections/"`) || !strings.Contains(corrections, `"Name": "corrected_columns"`) {
		t.Errorf("got %s", corrections)
	}
	text := cdktest.JSON(template.Named(t, "AWS::Glue::Table", "OperationsBatches").Body)
	for _, want := range []string{`"DatabaseName": "commerce_operations"`, `"Name": "batches"`, `"Location": "s3://lake/ledger/batches/"`,
		`"org.openx.data.jsonserde.JsonSerDe"`, `"DependsOn": [`, `"DeletionPolicy": "Retain"`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
	if lines := policytest.Statements(template, "AWS::IAM::Policy", "Read"); len(lines) != 6 ||
		!strings.Contains(lines[2], "/corrections/*") || !strings.Contains(lines[2], "/quality/*") || !strings.Contains(lines[3], "/ledger/batches/*") {
		t.Errorf("want tables, key, objects and listing, got %q", lines)
	}
	findNothing(t, template, stack)
}

func TestLedger(t *testing.T) {
	stack := cdktest.NewStack(t)
	ledger := catalog.NewLedger(stack, "Ledger", nil)
	imported := catalog.LedgerFromAttributes(stack, "Other", catalog.LedgerAttributes{TableName: "other", KeyArn: keyArn(stack)})
	roles := []catalog.LedgerRole{catalog.Notice, catalog.Dispatch, catalog.Record, catalog.Reconcile, catalog.Split, catalog.Job, catalog.Erase, catalog.Forgotten,
		catalog.Reader}
	for _, r := range roles {
		ledger.Grant(role(stack, "As"+strings.ToUpper(string(r[:1]))+string(r[1:])), r)
	}
	imported.Grant(role(stack, "Guest"), catalog.Reader)
	template := cdktest.Synth(t, stack)
	table := template.One(t, "AWS::DynamoDB::Table")
	text := cdktest.JSON(table.Body)
	for _, want := range []string{`"BillingMode": "PAY_PER_REQUEST"`, `"PointInTimeRecoveryEnabled": true`, `"SSEType": "KMS"`,
		`"DeletionProtectionEnabled": true`, `"IndexName": "by_dataset"`, `"ProjectionType": "ALL"`, `"DeletionPolicy": "Retain"`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
	keys := cdktest.JSON(table.Properties()["KeySchema"]) + cdktest.JSON(table.Properties()["GlobalSecondaryIndexes"])
	for _, name := range []string{"pk", "sk", "dataset", "frozen_at"} {
		if !strings.Contains(keys, `"AttributeName": "`+name+`"`) {
			t.Errorf("want the key attribute %s in %s", name, keys)
		}
	}
	arn, key := "${"+table.ID+".Arn}", "${"+template.One(t, "AWS::KMS::Key").ID+".Arn}"
	const writeKey = "Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:ReEncryptFrom kms:ReEncryptTo on "
	const changes = "dynamodb:ConditionCheckItem dynamodb:DeleteItem dynamodb:PutItem dynamodb:UpdateItem on "
	const all = "Allow dynamodb:GetItem dynamodb:Query " + changes
	index := "Allow dynamodb:Query on " + arn + "/index/by_dataset"
	tests := map[string][]string{
		"AsNotice":    {"Allow dynamodb:DeleteItem dynamodb:PutItem dynamodb:UpdateItem on " + arn, writeKey + key},
		"AsDispatch":  {all + arn, index, writeKey + key},
		"AsRecord":    {all + arn, writeKey + key},
		"AsJob":       {"Allow dynamodb:GetItem " + changes + arn, writeKey + key},
		"AsReconcile": {"Allow dynamodb:BatchGetItem dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem on " + arn, writeKey + key},
		"AsSplit":     {"Allow dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on " + arn, writeKey + key},
		"AsErase":     {"Allow dynamodb:ConditionCheckItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on " + arn, writeKey + key},
		"AsForgotten": {"Allow dynamodb:Query on " + arn, "Allow kms:Decrypt kms:DescribeKey on " + key},
		"AsReader":    {"Allow dynamodb:BatchGetItem dynamodb:GetItem dynamodb:Query on " + arn, index, "Allow kms:Decrypt kms:DescribeKey on " + key},
		"Guest": {
			"Allow dynamodb:BatchGetItem dynamodb:GetItem dynamodb:Query on arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/other",
			"Allow dynamodb:Query on arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/other/index/by_dataset",
			"Allow kms:Decrypt kms:DescribeKey on " + zoneKey,
		},
	}
	for id, want := range tests {
		if err := policytest.Equal(policytest.Statements(template, "AWS::IAM::Policy", id), want); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	findNothing(t, template, stack)
}

func TestRejections(t *testing.T) {
	stack := cdktest.NewStack(t)
	err := cdktest.Rejected(t, func() { catalog.NewDatabase(stack, "Bad", nil) })
	if !strings.Contains(err.Error(), "3 problems at Test/Bad") {
		t.Errorf("want the construct path and every problem, got %v", err)
	}
	_ = cdktest.Rejected(t, func() { catalog.NewOperations(stack, "BadOperations", nil) })
	_ = cdktest.Rejected(t, func() { catalog.DatabaseFromAttributes(stack, "BadImport", catalog.DatabaseAttributes{}) })
	_ = cdktest.Rejected(t, func() { catalog.LedgerFromAttributes(stack, "BadLedger", catalog.LedgerAttributes{}) })
}

func TestConfigureCannotUndo(t *testing.T) {
	build := func(hostile bool) string {
		stack := cdktest.NewStack(t)
		ledger := &catalog.LedgerProps{}
		database := &catalog.DatabaseProps{Name: "d", Zone: zone(stack), Prefix: "d/"}
		if hostile {
			ledger.Configure = func(p *awsdynamodb.TableProps) {
				p.PartitionKey = &awsdynamodb.Attribute{Name: jsii.String("x"), Type: awsdynamodb.AttributeType_NUMBER}
				p.BillingMode, p.ReadCapacity = awsdynamodb.BillingMode_PROVISIONED, jsii.Number(5)
				p.Encryption = awsdynamodb.TableEncryption_DEFAULT
				p.PointInTimeRecovery = jsii.Bool(false)
				p.RemovalPolicy, p.DeletionProtection = awscdk.RemovalPolicy_DESTROY, jsii.Bool(false)
			}
			database.Configure = func(p *awsglue.CfnDatabase_DatabaseInputProperty) {
				p.Name, p.LocationUri = jsii.String("x"), jsii.String("s3://x")
			}
		}
		catalog.NewLedger(stack, "Ledger", ledger)
		catalog.NewDatabase(stack, "Database", database)
		return cdktest.JSON(cdktest.Synth(t, stack))
	}
	if plain, hostile := build(false), build(true); plain != hostile {
		t.Errorf("Configure undid something: want %s\ngot %s", plain, hostile)
	}
}

func TestPropsChangeTheTemplate(t *testing.T) {
	database := func(change func(*catalog.DatabaseProps)) func(awscdk.Stack) {
		return func(s awscdk.Stack) {
			p := &catalog.DatabaseProps{Name: "d", Zone: zone(s), Prefix: "d/"}
			change(p)
			catalog.NewDatabase(s, "X", p)
		}
	}
	operations := func(change func(*catalog.OperationsProps)) func(awscdk.Stack) {
		return func(s awscdk.Stack) {
			p := &catalog.OperationsProps{Name: "o", Artifacts: zone(s)}
			change(p)
			catalog.NewOperations(s, "X", p)
		}
	}
	describe := func(p *awsglue.CfnDatabase_DatabaseInputProperty) { p.Description = jsii.String("mine") }
	groups := map[string][]func(awscdk.Stack){
		"database": {
			database(func(*catalog.DatabaseProps) {}),
			database(func(p *catalog.DatabaseProps) { p.Name = "e" }),
			database(func(p *catalog.DatabaseProps) { p.Prefix = "e/" }),
			database(func(p *catalog.DatabaseProps) { p.Doc = "words" }),
			database(func(p *catalog.DatabaseProps) { p.AllowDeletion = true }),
			database(func(p *catalog.DatabaseProps) { p.Configure = describe }),
		},
		"operations": {
			operations(func(*catalog.OperationsProps) {}),
			operations(func(p *catalog.OperationsProps) { p.Name = "e" }),
			operations(func(p *catalog.OperationsProps) { p.AllowDeletion = true }),
			operations(func(p *catalog.OperationsProps) { p.Configure = describe }),
		},
		"ledger": {
			func(s awscdk.Stack) { catalog.NewLedger(s, "X", nil) },
			func(s awscdk.Stack) { catalog.NewLedger(s, "X", &catalog.LedgerProps{AllowDeletion: true}) },
			func(s awscdk.Stack) {
				catalog.NewLedger(s, "X", &catalog.LedgerProps{Key: awskms.Key_FromKeyArn(s, jsii.String("K"), jsii.String(keyArn(s)))})
			},
			func(s awscdk.Stack) {
				catalog.NewLedger(s, "X", &catalog.LedgerProps{Configure: func(p *awsdynamodb.TableProps) { p.TableName = jsii.String("mine") }})
			},
		},
	}
	for name, builds := range groups {
		seen := map[string]int{}
		for i, build := range builds {
			stack := cdktest.NewStackWith(t, map[string]any{security.AllowDeletionContext: true})
			build(stack)
			text := cdktest.JSON(cdktest.Synth(t, stack))
			if first, again := seen[text]; again {
				t.Errorf("%s: variants %d and %d make the same template", name, first, i)
			}
			seen[text] = i
		}
	}
}

func TestManifest(t *testing.T) {
	stack := cdktest.NewStack(t)
	declared := &dataset.Manifest{SchemaVersion: 1, Lake: "commerce"}
	manifest := catalog.NewManifest(stack, "Manifest", declared)
	manifest.GrantRead(role(stack, "Read"))
	if want := fmt.Sprintf("%x", sha256.Sum256(declared.Bytes())); manifest.Hash() != want || manifest.Environment()[contract.ManifestHash] != want {
		t.Errorf("want the hash of the manifest's bytes %s, got %s", want, manifest.Hash())
	}
	template := cdktest.Synth(t, stack)
	lines := policytest.Statements(template, "AWS::IAM::Policy", "Read")
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "Allow s3:GetObject on arn:${AWS::Partition}:s3:::") || !strings.HasSuffix(lines[0], ".json") {
		t.Errorf("want one object of the bootstrap bucket, got %q", lines)
	}
	_ = cdktest.Rejected(t, func() { catalog.NewManifest(stack, "Nothing", nil) })
}
