package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/security/policytest"
	"github.com/strata-cdk/strata/constructs/storage"
)

const day = 24 * time.Hour

func keyArn(stack awscdk.Stack) string {
	return fmt.Sprintf("arn:%s:kms:%s:%s:key/1234abcd-12ab-34cd-56ef-1234567890ab", *stack.Partition(), *stack.Region(), *stack.Account())
}

func importedKey(stack awscdk.Stack) awskms.IKey {
	return awskms.Key_FromKeyArn(stack, jsii.String("Imported"), jsii.String(keyArn(stack)))
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

// TestZones has every kind of bucket, and two zones, in one stack.
func TestZones(t *testing.T) {
	stack := cdktest.NewStack(t)
	logs := storage.NewAccessLogs(stack, "Logs", nil)
	storage.NewZone(stack, "Raw", &storage.ZoneProps{Landing: true, Retention: 365 * day, AccessLogs: logs})
	storage.NewZone(stack, "Cleaned", &storage.ZoneProps{AccessLogs: logs})
	storage.NewZone(stack, "Alone", nil)
	storage.NewArtifacts(stack, "Artifacts", &storage.ArtifactsProps{AccessLogs: logs})
	template := cdktest.Synth(t, stack)
	for _, b := range template.Resources("AWS::S3::Bucket") {
		text := cdktest.JSON(b.Body)
		for _, want := range []string{`"BlockPublicAcls": true`, `"BlockPublicPolicy": true`, `"IgnorePublicAcls": true`,
			`"RestrictPublicBuckets": true`, `"Status": "Enabled"`, `"ObjectOwnership": "BucketOwnerEnforced"`,
			`"DaysAfterInitiation": 7`, `"DeletionPolicy": "Retain"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: want %s in %s", b.ID, want, text)
			}
		}
		encrypted := strings.Contains(text, `"SSEAlgorithm": "aws:kms"`) && strings.Contains(text, `"BucketKeyEnabled": true`)
		logged := b.Properties()["LoggingConfiguration"] != nil
		if isLogs := strings.Contains(b.ID, "Logs"); isLogs == encrypted || isLogs == logged {
			t.Errorf("%s: want a customer key and access logs, or SSE-S3 for the log bucket itself: %s", b.ID, text)
		}
	}
	for _, p := range template.Resources("AWS::S3::BucketPolicy") {
		if p.Body["DeletionPolicy"] != "Retain" {
			t.Errorf("%s: want the policy to stay with its bucket", p.ID)
		}
	}
	raw := template.Named(t, "AWS::S3::Bucket", "Raw").Properties()
	if !strings.Contains(cdktest.JSON(raw["NotificationConfiguration"]), `"EventBridgeEnabled": true`) {
		t.Error("want events from the landing zone")
	}
	if rules := cdktest.JSON(raw["LifecycleConfiguration"]); !strings.Contains(rules, `"ExpirationInDays": 365`) || !strings.Contains(rules, `"NoncurrentDays": 365`) {
		t.Errorf("want versions to live as long as current objects, got %s", rules)
	}
	cleaned := template.Named(t, "AWS::S3::Bucket", "Cleaned").Properties()
	if rules := cdktest.JSON(cleaned["LifecycleConfiguration"]); cleaned["NotificationConfiguration"] != nil ||
		strings.Contains(rules, "ExpirationInDays") || strings.Contains(rules, "Transition") || !strings.Contains(rules, `"NoncurrentDays": 30`) {
		t.Errorf("want a table zone without events, expiration and transitions, got %s", rules)
	}
	if len(template.Resources("AWS::Lambda::Function")) > 0 {
		t.Error("want no custom resources")
	}
	findNothing(t, template, stack)
}

func TestBucketPolicies(t *testing.T) {
	stack := cdktest.NewStack(t)
	storage.NewZone(stack, "Raw", &storage.ZoneProps{Landing: true})
	template := cdktest.Synth(t, stack)
	bucket := "${" + template.Named(t, "AWS::S3::Bucket", "RawBucket").ID + ".Arn}"
	logs := "${" + template.Named(t, "AWS::S3::Bucket", "RawAccessLogs").ID + ".Arn}"
	key := "${" + template.One(t, "AWS::KMS::Key").ID + ".Arn}"
	tls := func(b string) []string {
		return []string{
			"Deny s3:* on " + b + " " + b + "/* by AWS * if aws:SecureTransport Bool false",
			"Deny s3:* on " + b + " " + b + "/* by AWS * if s3:TlsVersion NumericLessThan 1.2",
		}
	}
	if err := policytest.Equal(policytest.Statements(template, "AWS::S3::BucketPolicy", "RawBucket"), append(tls(bucket),
		"Deny s3:PutObject on "+bucket+"/* by AWS * if s3:x-amz-server-side-encryption Null false"+
			" and s3:x-amz-server-side-encryption-aws-kms-key-id StringNotEquals "+key,
		"Deny s3:PutObject on "+bucket+"/* by AWS * if s3:x-amz-server-side-encryption-customer-algorithm Null false",
	)); err != nil {
		t.Error(err)
	}
	if err := policytest.Equal(policytest.Statements(template, "AWS::S3::BucketPolicy", "RawAccessLogs"), append([]string{
		"Allow s3:PutObject on " + logs + "/raw/* by Service logging.s3.amazonaws.com" +
			" if aws:SourceAccount StringEquals ${AWS::AccountId} and aws:SourceArn ArnEquals " + bucket,
	}, tls(logs)...)); err != nil {
		t.Error(err)
	}
}

func TestGrants(t *testing.T) {
	stack := cdktest.NewStack(t)
	zone := storage.NewZone(stack, "Cleaned", nil)
	imported := storage.ZoneFromAttributes(stack, "Other", storage.ZoneAttributes{BucketName: "other", KeyArn: keyArn(stack)})
	zone.GrantRead(role(stack, "Read"), "sales/", "hr/")
	zone.GrantReadVersions(role(stack, "Versions"), "sales/")
	zone.GrantWrite(role(stack, "Write"), "sales/")
	zone.GrantPut(role(stack, "Put"), "sales/")
	zone.GrantReadWrite(role(stack, "Both"), "sales/")
	zone.GrantRead(role(stack, "Whole"))
	zone.GrantFind(role(stack, "Find"))
	zone.GrantRemove(role(stack, "Remove"), "sales/")
	zone.GrantReadLifecycle(role(stack, "Lifecycle"))
	imported.GrantReadWrite(role(stack, "Guest"), "sales/")
	template := cdktest.Synth(t, stack)
	bucket := "${" + template.Named(t, "AWS::S3::Bucket", "CleanedBucket").ID + ".Arn}"
	key := "${" + template.One(t, "AWS::KMS::Key").ID + ".Arn}"
	const otherKey = "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	const other = "arn:${AWS::Partition}:s3:::other"
	tests := map[string][]string{
		"Read": {
			"Allow kms:Decrypt on " + key,
			"Allow s3:GetObject on " + bucket + "/hr/* " + bucket + "/sales/*",
			"Allow s3:ListBucket on " + bucket + " if s3:prefix StringLike hr/* sales/*",
		},
		"Remove": {
			"Allow kms:Decrypt on " + key,
			"Allow s3:DeleteObjectVersion s3:GetObject s3:GetObjectVersion on " + bucket + "/sales/*",
			"Allow s3:ListBucket s3:ListBucketVersions on " + bucket + " if s3:prefix StringLike sales/*",
		},
		"Lifecycle": {"Allow s3:GetLifecycleConfiguration on " + bucket},
		"Versions": {
			"Allow kms:Decrypt on " + key,
			"Allow s3:GetObject s3:GetObjectVersion on " + bucket + "/sales/*",
			"Allow s3:ListBucket s3:ListBucketVersions on " + bucket + " if s3:prefix StringLike sales/*",
		},
		"Write": {
			"Allow kms:Decrypt kms:GenerateDataKey on " + key,
			"Allow s3:AbortMultipartUpload s3:DeleteObject s3:PutObject on " + bucket + "/sales/*",
		},
		"Put": {
			"Allow kms:Decrypt kms:GenerateDataKey on " + key,
			"Allow s3:AbortMultipartUpload s3:PutObject on " + bucket + "/sales/*",
		},
		"Both": {
			"Allow kms:Decrypt kms:GenerateDataKey on " + key,
			"Allow s3:AbortMultipartUpload s3:DeleteObject s3:GetObject s3:PutObject on " + bucket + "/sales/*",
			"Allow s3:ListBucket on " + bucket + " if s3:prefix StringLike sales/*",
		},
		"Whole": {
			"Allow kms:Decrypt on " + key,
			"Allow s3:GetObject on " + bucket + "/*",
			"Allow s3:ListBucket on " + bucket,
		},
		"Find": {
			"Allow s3:ListBucket on " + bucket + " if s3:prefix Null true",
		},
		"Guest": {
			"Allow kms:Decrypt kms:GenerateDataKey on " + otherKey,
			"Allow s3:AbortMultipartUpload s3:DeleteObject s3:GetObject s3:PutObject on " + other + "/sales/*",
			"Allow s3:ListBucket on " + other + " if s3:prefix StringLike sales/*",
		},
	}
	for id, want := range tests {
		if err := policytest.Equal(policytest.Statements(template, "AWS::IAM::Policy", id), want); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if len(policytest.Statements(template, "AWS::S3::BucketPolicy", "Cleaned")) != 7 {
		t.Error("want grants to leave the bucket policies alone")
	}
	findNothing(t, template, stack)
}

func TestNamesOfAZone(t *testing.T) {
	stack := cdktest.NewStack(t)
	z := storage.ZoneFromAttributes(stack, "Z", storage.ZoneAttributes{BucketName: "mine", KeyArn: keyArn(stack)})
	if z.BucketName() != "mine" || z.URI("sales/orders") != "s3://mine/sales/orders" || !strings.HasSuffix(z.BucketArn(), ":s3:::mine") {
		t.Errorf("got %s %s %s", z.BucketName(), z.URI("sales/orders"), z.BucketArn())
	}
	if len(cdktest.Synth(t, stack).Resources("")) != 0 {
		t.Error("want an import to make nothing")
	}
}

func TestRejections(t *testing.T) {
	stack := cdktest.NewStack(t)
	glacier := func(p *awss3.BucketProps) {
		rules := append(*p.LifecycleRules, &awss3.LifecycleRule{
			Expiration: awscdk.Duration_Days(jsii.Number(9)),
			Transitions: &[]*awss3.Transition{
				{StorageClass: awss3.StorageClass_INFREQUENT_ACCESS(), TransitionAfter: awscdk.Duration_Days(jsii.Number(30))},
				{StorageClass: awss3.StorageClass_GLACIER(), TransitionAfter: awscdk.Duration_Days(jsii.Number(90))},
			},
		})
		p.LifecycleRules = &rules
	}
	err := cdktest.Rejected(t, func() { storage.NewZone(stack, "Cold", &storage.ZoneProps{Configure: glacier}) })
	for _, want := range []string{"2 problems at Test/Cold", "Configure: LifecycleRules[2].Expiration", `LifecycleRules[2].Transitions[1]: moves the files of live tables to an archive class, which queries skip without an error; got "GLACIER"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
	storage.NewZone(stack, "Archive", &storage.ZoneProps{Landing: true, Configure: glacier})
	_ = cdktest.Rejected(t, func() { storage.NewZone(stack, "Bad", &storage.ZoneProps{Retention: day}) })
	_ = cdktest.Rejected(t, func() { storage.NewArtifacts(stack, "BadArtifacts", &storage.ArtifactsProps{LogPrefix: "x"}) })
	_ = cdktest.Rejected(t, func() { storage.NewAccessLogs(stack, "BadLogs", &storage.AccessLogsProps{Retention: time.Second}) })
	_ = cdktest.Rejected(t, func() { storage.ZoneFromAttributes(stack, "Nothing", storage.ZoneAttributes{}) })
}

// hostile tries to undo everything a bucket insists on, and adds one thing it may.
func hostile(p *awss3.BucketProps) {
	p.BlockPublicAccess = nil
	p.PublicReadAccess = jsii.Bool(true)
	p.AccessControl = awss3.BucketAccessControl_PUBLIC_READ
	p.EnforceSSL, p.MinimumTLSVersion = jsii.Bool(false), nil
	p.Versioned = jsii.Bool(false)
	p.Encryption, p.EncryptionKey = awss3.BucketEncryption_UNENCRYPTED, nil
	p.RemovalPolicy = awscdk.RemovalPolicy_DESTROY
	p.EventBridgeEnabled = jsii.Bool(true)
}

func TestConfigureCannotUndo(t *testing.T) {
	stack := cdktest.NewStack(t)
	logs := storage.NewAccessLogs(stack, "Logs", &storage.AccessLogsProps{Configure: hostile})
	storage.NewZone(stack, "Zone", &storage.ZoneProps{AccessLogs: logs, Configure: hostile})
	storage.NewArtifacts(stack, "Artifacts", &storage.ArtifactsProps{AccessLogs: logs, Configure: hostile})
	hardened := cdktest.JSON(cdktest.Synth(t, stack))
	stack = cdktest.NewStack(t)
	logs = storage.NewAccessLogs(stack, "Logs", nil)
	storage.NewZone(stack, "Zone", &storage.ZoneProps{AccessLogs: logs})
	storage.NewArtifacts(stack, "Artifacts", &storage.ArtifactsProps{AccessLogs: logs})
	if plain := cdktest.JSON(cdktest.Synth(t, stack)); plain != hardened {
		t.Errorf("Configure undid something: want %s\ngot %s", plain, hardened)
	}
}

func TestPropsChangeTheTemplate(t *testing.T) {
	named := func(p *awss3.BucketProps) { p.BucketName = jsii.String("mine") }
	zone := func(p *storage.ZoneProps) func(awscdk.Stack) {
		return func(s awscdk.Stack) { storage.NewZone(s, "X", p) }
	}
	artifacts := func(p *storage.ArtifactsProps) func(awscdk.Stack) {
		return func(s awscdk.Stack) { storage.NewArtifacts(s, "X", p) }
	}
	logs := func(p *storage.AccessLogsProps) func(awscdk.Stack) {
		return func(s awscdk.Stack) { storage.NewAccessLogs(s, "X", p) }
	}
	groups := map[string][]func(awscdk.Stack){
		"zone": {
			zone(nil), zone(&storage.ZoneProps{LogPrefix: "other/"}), zone(&storage.ZoneProps{Landing: true}),
			zone(&storage.ZoneProps{Landing: true, Retention: 9 * day}), zone(&storage.ZoneProps{NoncurrentRetention: 9 * day}),
			zone(&storage.ZoneProps{ResultRetention: 9 * day}),
			zone(&storage.ZoneProps{AllowDeletion: true}), zone(&storage.ZoneProps{Configure: named}),
			func(s awscdk.Stack) { storage.NewZone(s, "X", &storage.ZoneProps{Key: importedKey(s)}) },
			func(s awscdk.Stack) {
				storage.NewZone(s, "X", &storage.ZoneProps{AccessLogs: storage.NewAccessLogs(s, "L", nil)})
			},
		},
		"artifacts": {
			artifacts(nil), artifacts(&storage.ArtifactsProps{LogPrefix: "other/"}), artifacts(&storage.ArtifactsProps{ResultRetention: 9 * day}),
			artifacts(&storage.ArtifactsProps{AllowDeletion: true}), artifacts(&storage.ArtifactsProps{Configure: named}),
			func(s awscdk.Stack) { storage.NewArtifacts(s, "X", &storage.ArtifactsProps{Key: importedKey(s)}) },
			func(s awscdk.Stack) {
				storage.NewArtifacts(s, "X", &storage.ArtifactsProps{AccessLogs: storage.NewAccessLogs(s, "L", nil)})
			},
		},
		"access logs": {
			logs(nil), logs(&storage.AccessLogsProps{Retention: 9 * day}), logs(&storage.AccessLogsProps{AllowDeletion: true}),
			logs(&storage.AccessLogsProps{Configure: named}),
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
