package security_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

const day = 24 * time.Hour

var allow = map[string]any{security.AllowDeletionContext: true}

func importedKey(stack awscdk.Stack, id string) awskms.IKey {
	return awskms.Key_FromKeyArn(stack, jsii.String(id), jsii.String(fmt.Sprintf("arn:%s:kms:%s:%s:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		*stack.Partition(), *stack.Region(), *stack.Account())))
}

func role(stack awscdk.Stack) awsiam.Role {
	return awsiam.NewRole(stack, jsii.String("Reader"), &awsiam.RoleProps{AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil)})
}

func TestKeys(t *testing.T) {
	stack := cdktest.NewStack(t)
	security.NewKeys(stack, "Keys", nil)
	security.NewKeys(stack, "Other", &security.KeysProps{Raw: importedKey(stack, "r"), Control: importedKey(stack, "c")})
	template := cdktest.Synth(t, stack)
	keys := template.Resources("AWS::KMS::Key")
	if len(keys) != 8 {
		t.Fatalf("want five keys and three beside two imported ones, got %d", len(keys))
	}
	for _, k := range keys {
		if k.Properties()["EnableKeyRotation"] != true || k.Body["DeletionPolicy"] != "Retain" || k.Body["UpdateReplacePolicy"] != "Retain" {
			t.Errorf("%s: want rotation and retention, got %s", k.ID, cdktest.JSON(k.Body))
		}
	}
	root := "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"
	raw := policytest.Statements(template, "AWS::KMS::Key", "KeysRaw")
	if len(raw) != 1 || !strings.HasSuffix(raw[0], " on * by AWS "+root) {
		t.Errorf("want only the account on the raw key, got %q", raw)
	}
	const here = "${AWS::Region}:${AWS::AccountId}:"
	services := slices.DeleteFunc(policytest.Statements(template, "AWS::KMS::Key", "KeysControl"), func(s string) bool { return strings.HasSuffix(s, root) })
	want := []string{
		"Allow kms:Decrypt kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo on *" +
			" by Service logs.${AWS::Region}.${AWS::URLSuffix}" +
			" if kms:EncryptionContext:aws:logs:arn ArnLike arn:${AWS::Partition}:logs:" + here + "log-group:*",
		"Allow kms:Decrypt kms:GenerateDataKey on * by Service cloudwatch.amazonaws.com" +
			" if aws:SourceAccount StringEquals ${AWS::AccountId}" +
			" and aws:SourceArn ArnLike arn:${AWS::Partition}:cloudwatch:" + here + "alarm:*" +
			" and kms:EncryptionContext:aws:sns:topicArn ArnLike arn:${AWS::Partition}:sns:" + here + "*",
		"Allow kms:Decrypt kms:GenerateDataKey on * by Service events.amazonaws.com" +
			" if aws:SourceAccount StringEquals ${AWS::AccountId}" +
			" and kms:EncryptionContext:aws:sqs:arn ArnLike arn:${AWS::Partition}:sqs:" + here + "*",
	}
	if err := policytest.Equal(services, want); err != nil {
		t.Error(err)
	}
	findNothing(t, template, stack)
}

func findNothing(t *testing.T, template cdktest.Template, stack awscdk.Stack) {
	t.Helper()
	for _, found := range [][]string{policytest.Wildcards(template), policytest.Literals(template), policytest.Nag(stack)} {
		if len(found) > 0 {
			t.Errorf("unwanted: %s", strings.Join(found, "\n"))
		}
	}
}

// TestServiceUses renders every row of the table, so that a row without conditions on its caller cannot slip in.
func TestServiceUses(t *testing.T) {
	stack := cdktest.NewStack(t)
	uses := []security.ServiceUse{security.EventsToQueues, security.EventsToTopics, security.AlarmsToTopics,
		security.TopicsToQueues, security.BucketsToQueues, security.LogGroups, security.StateMachineLogs}
	security.NewKey(stack, "All", &security.KeyProps{Services: uses})
	template := cdktest.Synth(t, stack)
	lines := policytest.Statements(template, "AWS::KMS::Key", "All")
	if len(lines) != len(uses)+1 {
		t.Fatalf("want a statement per use and one for the account, got %q", lines)
	}
	for _, l := range lines {
		bound := strings.Contains(l, "${AWS::AccountId}")
		if !bound || strings.Contains(l, "Service events.amazonaws.com if kms:EncryptionContext:aws:sns") && strings.Contains(l, "aws:Source") {
			t.Errorf("want a bond to the account by a condition the service supports: %s", l)
		}
	}
	findNothing(t, template, stack)
}

func TestDeletionGuard(t *testing.T) {
	tests := []struct {
		name     string
		prop     bool
		context  any
		want     string
		warnings int
	}{
		{"neither", false, nil, "Retain", 0},
		{"prop only", true, nil, "Retain", 1},
		{"flag only", false, true, "Retain", 0},
		{"prop and false flag", true, false, "Retain", 1},
		{"prop and odd flag", true, "yes", "Retain", 1},
		{"both", true, true, "Delete", 0},
		{"both, from the command line", true, "true", "Delete", 0},
	}
	for _, tt := range tests {
		context := map[string]any{}
		if tt.context != nil {
			context[security.AllowDeletionContext] = tt.context
		}
		stack := cdktest.NewStackWith(t, context)
		security.NewKey(stack, "Key", &security.KeyProps{AllowDeletion: tt.prop})
		security.NewLogGroup(stack, "Log", &security.LogGroupProps{AllowDeletion: tt.prop})
		key := cdktest.Synth(t, stack).Named(t, "AWS::KMS::Key", "Key")
		if key.Body["DeletionPolicy"] != tt.want || key.Body["UpdateReplacePolicy"] != tt.want {
			t.Errorf("%s: want %s, got %v", tt.name, tt.want, key.Body["DeletionPolicy"])
		}
		warnings := assertions.Annotations_FromStack(stack).FindWarning(jsii.String("*"), assertions.Match_StringLikeRegexp(jsii.String(".*strata:allow-deletion.*")))
		if len(*warnings) != tt.warnings {
			t.Errorf("%s: want %d warnings for the stack, got %d", tt.name, tt.warnings, len(*warnings))
		}
	}
}

func TestHashSecret(t *testing.T) {
	stack := cdktest.NewStack(t)
	secret := security.NewHashSecret(stack, "Hash", nil)
	secret.GrantRead(role(stack))
	template := cdktest.Synth(t, stack)
	p := template.One(t, "AWS::SecretsManager::Secret").Properties()
	if g := cdktest.JSON(p["GenerateSecretString"]); !strings.Contains(g, `"PasswordLength": 64`) || p["SecretString"] != nil {
		t.Errorf("want a generated value of 64 characters, got %s", g)
	}
	if key := policytest.Flatten(p["KmsKeyId"]); !strings.HasPrefix(key, "${HashKey") {
		t.Errorf("want the secret under its key, got %s", key)
	}
	secretRef, keyRef := "${"+template.One(t, "AWS::SecretsManager::Secret").ID+"}", "${"+template.One(t, "AWS::KMS::Key").ID+".Arn}"
	if err := policytest.Equal(policytest.Statements(template, "AWS::IAM::Policy", ""), []string{
		"Allow kms:Decrypt on " + keyRef, "Allow secretsmanager:GetSecretValue on " + secretRef,
	}); err != nil {
		t.Error(err)
	}
	findNothing(t, template, stack)
}

func TestLogGroup(t *testing.T) {
	stack := cdktest.NewStack(t)
	security.NewLogGroup(stack, "Logs", nil)
	template := cdktest.Synth(t, stack)
	p := template.One(t, "AWS::Logs::LogGroup").Properties()
	if p["RetentionInDays"] != 90.0 || !strings.HasPrefix(policytest.Flatten(p["KmsKeyId"]), "${LogsKey") || p["LogGroupName"] != nil {
		t.Errorf("want 90 days, an own key and no name, got %s", cdktest.JSON(p))
	}
	if lines := policytest.Statements(template, "AWS::KMS::Key", ""); len(lines) != 2 {
		t.Errorf("want the account and CloudWatch Logs on the key, got %q", lines)
	}
	findNothing(t, template, stack)
}

// TestPropsChangeTheTemplate sets each optional prop to something else than its default.
func TestPropsChangeTheTemplate(t *testing.T) {
	render := func(build func(awscdk.Stack)) string {
		stack := cdktest.NewStackWith(t, allow)
		build(stack)
		return cdktest.JSON(cdktest.Synth(t, stack))
	}
	groups := map[string][]func(awscdk.Stack){
		"key": {
			func(s awscdk.Stack) { security.NewKey(s, "X", nil) },
			func(s awscdk.Stack) { security.NewKey(s, "X", &security.KeyProps{Description: "mine"}) },
			func(s awscdk.Stack) { security.NewKey(s, "X", &security.KeyProps{AllowDeletion: true}) },
			func(s awscdk.Stack) {
				security.NewKey(s, "X", &security.KeyProps{Services: []security.ServiceUse{security.LogGroups}})
			},
			func(s awscdk.Stack) {
				security.NewKey(s, "X", &security.KeyProps{Configure: func(p *awskms.KeyProps) {
					p.Alias = jsii.String("mine")
					p.EnableKeyRotation, p.RemovalPolicy = jsii.Bool(false), awscdk.RemovalPolicy_DESTROY
				}})
			},
		},
		"keys": {
			func(s awscdk.Stack) { security.NewKeys(s, "X", nil) },
			func(s awscdk.Stack) { security.NewKeys(s, "X", &security.KeysProps{Raw: importedKey(s, "k")}) },
			func(s awscdk.Stack) { security.NewKeys(s, "X", &security.KeysProps{Cleaned: importedKey(s, "k")}) },
			func(s awscdk.Stack) { security.NewKeys(s, "X", &security.KeysProps{Curated: importedKey(s, "k")}) },
			func(s awscdk.Stack) { security.NewKeys(s, "X", &security.KeysProps{Quarantine: importedKey(s, "k")}) },
			func(s awscdk.Stack) { security.NewKeys(s, "X", &security.KeysProps{Control: importedKey(s, "k")}) },
			func(s awscdk.Stack) { security.NewKeys(s, "X", &security.KeysProps{AllowDeletion: true}) },
			func(s awscdk.Stack) {
				security.NewKeys(s, "X", &security.KeysProps{Configure: func(p *awskms.KeyProps) { p.Enabled = jsii.Bool(false) }})
			},
		},
		"key of vaults": {
			func(s awscdk.Stack) { security.NewKeys(s, "X", nil) },
			func(s awscdk.Stack) { keys := security.NewKeys(s, "X", nil); keys.Vault(); keys.Vault() },
			func(s awscdk.Stack) {
				security.NewKeys(s, "X", &security.KeysProps{Vault: importedKey(s, "k"), Control: importedKey(s, "c")}).Vault()
			},
		},
		"log group": {
			func(s awscdk.Stack) { security.NewLogGroup(s, "X", nil) },
			func(s awscdk.Stack) { security.NewLogGroup(s, "X", &security.LogGroupProps{Key: importedKey(s, "k")}) },
			func(s awscdk.Stack) { security.NewLogGroup(s, "X", &security.LogGroupProps{Name: "/mine"}) },
			func(s awscdk.Stack) { security.NewLogGroup(s, "X", &security.LogGroupProps{Retention: 7 * day}) },
			func(s awscdk.Stack) { security.NewLogGroup(s, "X", &security.LogGroupProps{AllowDeletion: true}) },
			func(s awscdk.Stack) {
				security.NewLogGroup(s, "X", &security.LogGroupProps{Configure: func(p *awslogs.LogGroupProps) {
					p.LogGroupClass = awslogs.LogGroupClass_INFREQUENT_ACCESS
				}})
			},
		},
		"hash secret": {
			func(s awscdk.Stack) { security.NewHashSecret(s, "X", nil) },
			func(s awscdk.Stack) {
				security.NewHashSecret(s, "X", &security.HashSecretProps{Key: importedKey(s, "k")})
			},
			func(s awscdk.Stack) { security.NewHashSecret(s, "X", &security.HashSecretProps{AllowDeletion: true}) },
			func(s awscdk.Stack) {
				security.NewHashSecret(s, "X", &security.HashSecretProps{Configure: func(p *awssecretsmanager.CfnSecretProps) {
					p.Description, p.SecretString = jsii.String("mine"), jsii.String("leaked")
				}})
			},
		},
	}
	for name, builds := range groups {
		seen := map[string]int{}
		for i, build := range builds {
			text := render(build)
			if first, again := seen[text]; again {
				t.Errorf("%s: variants %d and %d make the same template", name, first, i)
			}
			seen[text] = i
			if strings.Contains(text, "leaked") || strings.Contains(text, `"EnableKeyRotation": false`) {
				t.Errorf("%s: variant %d undoes what Configure may not", name, i)
			}
		}
	}
}

// TestGatesCanFail shows the checks of these tests a stack they must refuse, and that accepting a finding is narrow.
func TestGatesCanFail(t *testing.T) {
	stack := cdktest.NewStack(t)
	reader := role(stack)
	reader.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("s3:GetObject"), Resources: jsii.Strings("arn:aws:s3:::lake/sales/*", "arn:aws:s3:::lake/hr/*"),
	}))
	security.AcceptGrant(reader, security.Finding{Rule: "AwsSolutions-IAM5", Reason: "Sales is known to be read.",
		AppliesTo: []string{`/^Resource::.*\/sales\/\*$/g`}})
	template := cdktest.Synth(t, stack)
	if found := policytest.Literals(template); len(found) == 0 {
		t.Error("want the literal partition found")
	}
	if found := policytest.Nag(stack); len(found) != 1 || !strings.Contains(found[0], "hr/*") {
		t.Errorf("want the finding that was not accepted, and only it, got %q", found)
	}
	if n := len(policytest.Suppressions(template)); n != 1 {
		t.Errorf("want one accepted finding, got %d", n)
	}
}
