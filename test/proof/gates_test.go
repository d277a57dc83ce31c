package proof_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/test/proof"
)

type m = map[string]any

func policy(statement m) proof.Template {
	return proof.Template{"Resources": m{
		"Bucket":   m{"Type": "AWS::S3::Bucket"},
		"Database": m{"Type": "AWS::Glue::Database", "Properties": m{"DatabaseInput": m{"Name": "shop_sales_cleaned"}}},
		"Policy": m{"Type": "AWS::IAM::Policy", "Properties": m{"PolicyDocument": m{
			"Statement": []any{statement},
		}}},
	}}
}

func under(id, path string) m {
	return m{"Fn::Join": []any{"", []any{m{"Fn::GetAtt": []any{id, "Arn"}}, path}}}
}

func TestWildcardsAreFound(t *testing.T) {
	tests := map[string]struct {
		statement m
		want      string
	}{
		"action":           {m{"Effect": "Allow", "Action": "s3:Get*", "Resource": under("Bucket", "/a/*")}, "action s3:Get*"},
		"everything":       {m{"Effect": "Allow", "Action": []any{"sqs:SendMessage"}, "Resource": "*"}, "resource *"},
		"mixed":            {m{"Effect": "Allow", "Action": []any{"xray:PutTraceSegments", "sqs:SendMessage"}, "Resource": "*"}, "resource *"},
		"foreign bucket":   {m{"Effect": "Allow", "Action": "s3:GetObject", "Resource": under("Elsewhere", "/a/*")}, "resource <Elsewhere.Arn>/a/*"},
		"foreign database": {m{"Effect": "Allow", "Action": "glue:GetTable", "Resource": m{"Fn::Join": []any{"", []any{"arn:", m{"Ref": "AWS::Partition"}, ":glue:x:y:table/other/*"}}}}, "table/other/*"},
		"principal":        {m{"Effect": "Allow", "Action": "s3:GetObject", "Principal": m{"AWS": "*"}, "Resource": "a"}, "principal *"},
		"not action":       {m{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "a"}, "NotAction allows everything else"},
		"unknown value":    {m{"Effect": "Allow", "Action": "s3:GetObject", "Resource": m{"Fn::If": []any{"C", "a", "b"}}}, "*unknown*"},
		"any interface":    {m{"Effect": "Allow", "Action": "ec2:DeleteNetworkInterface", "Resource": "arn:x:ec2:r:a:network-interface/*"}, "network-interface/*"},
		"no subnet":        {m{"Effect": "Allow", "Action": "ec2:CreateNetworkInterface", "Resource": "arn:x:ec2:r:a:network-interface/*"}, "network-interface/*"},
		"in a subnet":      {m{"Effect": "Allow", "Action": "ec2:CreateNetworkInterface", "Resource": []any{"arn:x:ec2:r:a:network-interface/*", "arn:x:ec2:r:a:subnet/s"}}, ""},
		"object path":      {m{"Effect": "Allow", "Action": "s3:GetObject", "Resource": under("Bucket", "/a/*")}, ""},
		"tables":           {m{"Effect": "Allow", "Action": "glue:GetTable", "Resource": m{"Fn::Join": []any{"", []any{"arn:", m{"Ref": "AWS::Partition"}, ":glue:x:y:table/shop_sales_cleaned/*"}}}}, ""},
		"denial":           {m{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, ""},
		"no resource":      {m{"Effect": "Allow", "Action": "xray:PutTraceSegments", "Resource": "*"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			found := strings.Join(proof.Wildcards(policy(tt.statement)), "\n")
			if tt.want == "" && found != "" || !strings.Contains(found, tt.want) {
				t.Errorf("got %q, want %q", found, tt.want)
			}
		})
	}
}

func TestLiteralsAreFound(t *testing.T) {
	for text, want := range map[string]string{
		"arn:aws:s3:::bucket": "partition", "arn:aws-cn:s3:::bucket": "partition", "eu-west-1": "region",
		"us-gov-west-1": "region", "account 123456789012 is": "account",
		"cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}": "", "arn:${AWS::Partition}:s3:::bucket": "",
	} {
		found := strings.Join(proof.Literals(proof.Template{"Resources": m{"R": m{"Properties": m{"P": []any{text}}}}}), "\n")
		if want == "" && found != "" || !strings.Contains(found, want) {
			t.Errorf("%q: got %q, want %q", text, found, want)
		}
	}
}

func accepted(entries ...any) proof.Template {
	return proof.Template{"Resources": m{"R": m{"Type": "AWS::IAM::Policy", "Metadata": m{"cdk_nag": m{"rules_to_suppress": entries}}}}}
}

func TestSuppressionsAreJudged(t *testing.T) {
	const reason = "a reason that says enough"
	fine := m{"id": "AwsSolutions-IAM5", "reason": reason, "applies_to": []any{"Resource::*"}}
	tests := map[string]struct {
		template proof.Template
		want     string
	}{
		"fine":       {accepted(fine), ""},
		"no finding": {accepted(m{"id": "AwsSolutions-IAM5", "reason": reason}), "names no finding"},
		"no reason":  {accepted(m{"id": "AwsSolutions-SQS3", "reason": "ok"}), "has no reason"},
		"stack-wide": {proof.Template{"Metadata": m{"cdk_nag": m{"rules_to_suppress": []any{fine}}}}, "stack-wide"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := proof.Suppressions(tt.template)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	var many []any
	for i := range proof.MaxSuppressions + 1 {
		many = append(many, m{"id": "AwsSolutions-SQS3", "reason": fmt.Sprintf("%s, number %d", reason, i)})
	}
	all, err := proof.Suppressions(accepted(append(many, many...)...))
	if err != nil || len(all) != len(many) {
		t.Fatalf("want %d pairs, got %d, %v", len(many), len(all), err)
	}
	if proof.Budget(all) == nil || proof.Budget(all[1:]) != nil {
		t.Error("the budget does not end at its limit")
	}
}

func broken(t *testing.T, template string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "broken.template.json")
	if err := os.WriteFile(file, []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestNagFails(t *testing.T) {
	found := strings.Join(proof.Nag(broken(t, `{"Resources": {"Bare": {"Type": "AWS::S3::Bucket"}}}`)), "\n")
	if !strings.Contains(found, "AwsSolutions-S1") {
		t.Errorf("a bare bucket passes: %q", found)
	}
}

func TestLintFails(t *testing.T) {
	report, clean := lint(t, broken(t, `{"Resources": {"B": {"Type": "AWS::S3::Bucket"}},
		"Outputs": {"O": {"Value": {"Fn::GetAtt": ["B", "Nope"]}}}}`))
	if clean || !strings.Contains(report, "Nope") {
		t.Errorf("a dangling attribute passes: %q", report)
	}
}
