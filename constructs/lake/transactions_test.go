package lake_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

func TestTransactionFilesInTheTemplate(t *testing.T) {
	tpl, stack := aReplication(t, func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.PreserveTransactions, p.Generation = true, 2 })
	target := cdktest.JSON(tpl.Named(t, "AWS::DMS::Endpoint", "ErpRawG2").Properties())
	for _, want := range []string{`"PreserveTransactions": true`, `"CdcPath": "cdc-transactions"`, `"CsvNullValue": "~strata.null~"`, `"Rfc4180": true`,
		`"DataFormat": "parquet"`, `"BucketFolder": "erp/g2"`} {
		if !strings.Contains(target, want) {
			t.Errorf("target: want %s in %s", want, target)
		}
	}
	rule := cdktest.JSON(tpl.Named(t, "AWS::Events::Rule", "ErpTransactionsLanded").Properties())
	for _, want := range []string{`"Object Created"`, `"prefix": "erp/g1/cdc-transactions/"`, `"prefix": "erp/g2/cdc-transactions/"`, "DeadLetterConfig"} {
		if !strings.Contains(rule, want) {
			t.Errorf("rule: want %s in %s", want, rule)
		}
	}
	if sweep := cdktest.JSON(tpl.Named(t, "AWS::Events::Rule", "ErpSplitSweep").Properties()); !strings.Contains(sweep, "rate(15 minutes)") || !strings.Contains(sweep, `{\"action\":\"split\"}`) {
		t.Errorf("the sweep: %s", sweep)
	}
	if env := cdktest.JSON(tpl.Named(t, "AWS::Lambda::Function", "ErpSplit").Properties()["Environment"]); !strings.Contains(env, `"SOURCE_PREFIX": "erp/"`) {
		t.Errorf("environment: %s", env)
	}
	for _, alarm := range []string{"ErpUnsplitTransactions", "ErpTransactionsUnhandled", "ErpSplitErrors"} {
		tpl.Named(t, "AWS::CloudWatch::Alarm", alarm)
	}
	if outputs := cdktest.JSON(tpl["Outputs"]); !strings.Contains(outputs, "ErpSplitCommand") || !strings.Contains(outputs, `\"failed\":true`) {
		t.Errorf("outputs: %s", outputs)
	}
	got := statementsOf(tpl, "ErpSplitRoleDefaultPolicy")
	raw := "arn:${AWS::Partition}:s3:::raw"
	want := []string{
		"Allow dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/ledger",
		"Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:ReEncryptFrom kms:ReEncryptTo on arn:aws:kms:eu-west-1:111122223333:key/ledger",
		"Allow kms:Decrypt kms:GenerateDataKey on arn:aws:kms:eu-west-1:111122223333:key/raw",
		"Allow kms:Decrypt on ${ErpKey.Arn}",
		"Allow kms:Decrypt on arn:aws:kms:eu-west-1:111122223333:key/raw",
		"Allow logs:CreateLogStream logs:PutLogEvents on ${ErpSplitLog.Arn}",
		"Allow s3:AbortMultipartUpload s3:PutObject on " + raw + "/erp/g1/public/* " + raw + "/erp/g2/public/*",
		"Allow s3:GetObject on",
		"Allow s3:GetObject s3:GetObjectVersion on " + raw + "/erp/g1/cdc-transactions/* " + raw + "/erp/g2/cdc-transactions/*",
		"Allow s3:ListBucket s3:ListBucketVersions on " + raw + " if s3:prefix StringLike erp/g1/cdc-transactions/* erp/g2/cdc-transactions/*",
		"Allow sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on ${ErpTransactions.Arn}",
	}
	for i, line := range got {
		if strings.HasPrefix(line, "Allow s3:GetObject on") { // the manifest's asset, whose name is a hash
			got[i] = "Allow s3:GetObject on"
		}
	}
	if err := policytest.Equal(got, want); err != nil {
		t.Error(err)
	}
	if operator := strings.Join(statementsOf(tpl, "OperatorDefaultPolicy"), ""); !strings.Contains(operator, "${ErpSplit.Arn}") {
		t.Errorf("operators may %s", operator)
	}
	if found := policytest.Nag(stack); len(found) > 0 {
		t.Errorf("rule pack: %s", strings.Join(found, "\n"))
	}
	plain, _ := aReplication(t, nil)
	if text := cdktest.JSON(plain); strings.Contains(text, "CdcPath") || strings.Contains(text, "ErpSplit") || strings.Contains(text, "cdc-transactions") {
		t.Error("a replication without the option has something of it")
	}
}

func TestTransactionFilesInALake(t *testing.T) {
	stack := cdktest.NewStack(t)
	source := erp(stack)
	source.PreserveTransactions = true
	lake.New(stack, "Lake", &lake.Props{Name: "shop", Sources: lake.Sources{"Erp": source}})
	tpl := cdktest.Synth(t, stack)
	tpl.Named(t, "AWS::Lambda::Function", "LakeErpSplit")
	if found := policytest.Nag(stack); len(found) > 0 {
		t.Errorf("rule pack: %s", strings.Join(found, "\n"))
	}
}
