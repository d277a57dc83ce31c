package proof_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/strata-cdk/strata/test/proof"
)

// createOnly reads the schemas of resource types that cfn-lint brings.
func createOnly(t *testing.T) proof.CreateOnly {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, ".venv", "lib", "python3*", "site-packages", "cfnlint", "data", "schemas"))
	if err != nil || len(found) != 1 {
		t.Fatalf("cfn-lint is not installed: run make setup (%v %v)", found, err)
	}
	hashes := sync.OnceValues(func() (map[string]string, error) {
		var hashes map[string]string
		return hashes, unmarshal(filepath.Join(found[0], "providers", "us-east-1.json"), &hashes)
	})
	known := map[string][]string{}
	return func(kind string) ([]string, error) {
		if pointers, ok := known[kind]; ok {
			return pointers, nil
		}
		all, err := hashes()
		if err != nil {
			return nil, err
		}
		if all[kind] == "" {
			return nil, fmt.Errorf("cfn-lint has no schema of %s", kind)
		}
		var schema struct{ CreateOnlyProperties, ConditionalCreateOnlyProperties []string }
		err = unmarshal(filepath.Join(found[0], "resources", all[kind]+".json"), &schema)
		known[kind] = append(schema.CreateOnlyProperties, schema.ConditionalCreateOnlyProperties...)
		return known[kind], err
	}
}

func unmarshal(file string, v any) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

const deployed = `{"Resources": {
	"Raw": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"BucketName": "raw"}},
	"Wake": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Delete", "Properties": {"FifoQueue": true}},
	"Items": {"Type": "AWS::Glue::Table", "DeletionPolicy": "Retain", "Properties": {"DatabaseName": "d", "TableInput": {"Name": "t", "Owner": "o"}}},
	"Job": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [
		{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "glue.amazonaws.com"}}]}}},
	"JobPolicy": {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [{"Ref": "Job"}], "PolicyDocument": {"Statement": [
		{"Effect": "Allow", "Action": ["s3:GetObject", "s3:List*"], "Resource": {"Fn::Join": ["", [{"Fn::GetAtt": ["Raw", "Arn"]}, "/in/*"]]}},
		{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "key", "Condition": {"StringEquals": {"kms:ViaService": "s3"}}},
		{"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}]}}},
	"RawPolicy": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "Raw"}, "PolicyDocument": {"Statement": [
		{"Effect": "Deny", "Action": "s3:*", "Principal": {"AWS": "*"}, "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}}},
	"Notice": {"Type": "AWS::Lambda::Function"},
	"Calls": {"Type": "AWS::Lambda::Permission", "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Notice"},
		"Principal": "events.amazonaws.com", "SourceArn": "rule"}}
}}`

func template(t *testing.T, text string) proof.Template {
	t.Helper()
	var found proof.Template
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return found
}

func TestBreakingChangesAreFound(t *testing.T) {
	schemas := createOnly(t)
	for _, c := range []struct{ old, new, want string }{
		{`"Raw": {"Type"`, `"Raw2": {"Type"`, "Raw (AWS::S3::Bucket): is gone, or has another logical id: its objects would be left behind, outside of the stack"},
		{`"Wake": {"Type"`, `"Waker": {"Type"`, "Wake (AWS::SQS::Queue): is gone, or has another logical id: its messages would be deleted"},
		{`"AWS::SQS::Queue"`, `"AWS::SNS::Topic"`, "Wake (AWS::SQS::Queue): is a AWS::SNS::Topic now"},
		{`"BucketName": "raw"`, `"BucketName": "raw-2"`, `BucketName changes from "raw" to "raw-2", which makes it anew`},
		{`"BucketName": "raw"`, `"VersioningConfiguration": {}`, `BucketName changes from "raw" to nothing`},
		{`"Name": "t"`, `"Name": "u"`, `TableInput/Name changes from "t" to "u", which makes it anew: its place in the catalog`},
		{`"Retain", "Properties": {"BucketName"`, `"Delete", "Properties": {"BucketName"`, "its objects would be deleted with the stack"},
		{`["s3:GetObject", "s3:List*"]`, `["s3:GetObject", "s3:PutObject"]`, "<Job> is allowed more: s3:PutObject on <Raw.Arn>/in/*"},
		{`"/in/*"`, `"/*"`, "<Job> is allowed more: s3:GetObject on <Raw.Arn>/*"},
		{`"Resource": "key", "Condition": {"StringEquals": {"kms:ViaService": "s3"}}`, `"Resource": "key"`, "<Job> is allowed more: kms:Decrypt on key"},
		{`{"kms:ViaService": "s3"}`, `{"kms:ViaService": "sqs"}`, "<Job> is allowed more: kms:Decrypt on key if"},
		{`"Service": "glue.amazonaws.com"`, `"Service": ["glue.amazonaws.com", "x.amazonaws.com"]`, "<Job> is allowed more: sts:AssumeRole by Service x.amazonaws.com"},
		{`"Properties": {"AssumeRole`, `"Properties": {"ManagedPolicyArns": ["arn"], "AssumeRole`, "<Job> is allowed more: the managed policy arn"},
		{`{"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}`, `{"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "one"}`, "<Job> is refused less: s3:DeleteObject on *"},
		{`"aws:SecureTransport": "false"`, `"aws:SecureTransport": "true"`, "<Raw> is refused less: s3:* on * by AWS * if"},
		{`"Effect": "Deny", "Action": "s3:*"`, `"Effect": "Deny", "NotAction": "s3:Get*"`, "<Raw> is refused less: s3:* on *"},
		{`, "SourceArn": "rule"`, ``, "<Notice> is allowed more: lambda:InvokeFunction by events.amazonaws.com"},
	} {
		changed := strings.Replace(deployed, c.old, c.new, 1)
		if changed == deployed {
			t.Fatalf("%s is not there", c.old)
		}
		found, err := proof.Breaking(template(t, deployed), template(t, changed), schemas)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(found, func(reason string) bool { return strings.Contains(reason, c.want) }) {
			t.Errorf("%s → %s:\nwant %q\nin   %q", c.old, c.new, c.want, found)
		}
	}
}

func TestWhatBreaksNothing(t *testing.T) {
	schemas := createOnly(t)
	for _, c := range []struct{ old, new string }{
		{`"Raw": {`, `"Raw": {`},
		{`"Owner": "o"`, `"Owner": "p"`},
		{`"BucketName": "raw"`, `"BucketName": "raw", "VersioningConfiguration": {"Status": "Enabled"}`},
		{`"s3:List*"`, `"s3:ListBucket"`},
		{`"/in/*"`, `"/in/a/*"`},
		{`"Resource": {"Fn::Join"`, `"Condition": {"Bool": {"aws:x": "true"}}, "Resource": {"Fn::Join"`},
		{`"JobPolicy": {`, `"OtherPolicy": {`},
		{`"Action": "s3:DeleteObject"`, `"Action": "s3:Delete*"`},
		{`"DeletionPolicy": "Delete"`, `"DeletionPolicy": "Retain"`},
		{`"Notice": {`, `"Other": {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn"]}}, "Notice": {`},
		{`"Calls": {`, `"Invokes": {`},
		{`{"Effect": "Deny", "Action": "s3:Delete`, `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::GetAtt": ["New", "Arn"]}},
			{"Effect": "Deny", "Action": "s3:Delete`},
	} {
		changed := strings.Replace(deployed, c.old, c.new, 1)
		if found, err := proof.Breaking(template(t, deployed), template(t, changed), schemas); err != nil || len(found) > 0 {
			t.Errorf("%s → %s: %q %v", c.old, c.new, found, err)
		}
	}
}

// TestEveryTypeOfTheExamplesIsJudged renames each resource that the golden templates keep: none goes unseen, and every
// type that is kept has words for what it holds, or a schema at least.
func TestEveryTypeOfTheExamplesIsJudged(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "test", "golden", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden templates: %v", err)
	}
	schemas := createOnly(t)
	for _, file := range files {
		golden := read(t, file)
		if found, err := proof.Breaking(golden, golden, schemas); err != nil || len(found) > 0 {
			t.Errorf("%s beside itself: %q %v", file, found, err)
		}
		for _, r := range golden.Resources() {
			if r.DeletionPolicy != "Retain" {
				continue
			}
			without := read(t, file)
			delete(without["Resources"].(map[string]any), r.ID)
			found, err := proof.Breaking(golden, without, schemas)
			if err != nil || !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, r.ID+" (") }) {
				t.Errorf("%s without %s: %q %v", file, r.ID, found, err)
			}
		}
	}
}
