package lake_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/operations"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

func cdc(name string) dataset.Spec {
	s := spec("sales", name)
	s.Load = dataset.CDC
	return s
}

func network(stack awscdk.Stack) awsec2.IVpc {
	return awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Network"), &awsec2.VpcAttributes{
		VpcId: jsii.String("vpc-0123456789abcdef0"), VpcCidrBlock: jsii.String("10.0.0.0/16"), AvailabilityZones: jsii.Strings("a", "b"),
		PrivateSubnetIds: jsii.Strings("subnet-0a", "subnet-0b"), PublicSubnetIds: jsii.Strings("subnet-0c", "subnet-0d"),
	})
}

func secret(stack awscdk.Stack) awssecretsmanager.ISecret {
	return awssecretsmanager.Secret_FromSecretAttributes(stack, jsii.String("Login"), &awssecretsmanager.SecretAttributes{
		SecretCompleteArn: jsii.String("arn:aws:secretsmanager:eu-west-1:111122223333:secret:erp-AbCdEf"),
		EncryptionKey:     awskms.Key_FromKeyArn(stack, jsii.String("LoginKey"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/login")),
	})
}

func erp(stack awscdk.Stack) ingestion.Replication {
	return ingestion.Replication{From: ingestion.Postgres{Secret: secret(stack), Database: "erp", Vpc: network(stack)},
		Datasets: []dataset.Spec{cdc("orders"), cdc("items")}}
}

// waker is a pipeline of others.
type waker struct{ stack awscdk.Stack }

func (w waker) WakeQueue() awssqs.IQueue {
	if q := w.stack.Node().TryFindChild(jsii.String("Wake")); q != nil {
		return q.(awssqs.IQueue)
	}
	return awssqs.Queue_FromQueueArn(w.stack, jsii.String("Wake"), jsii.String("arn:aws:sqs:eu-west-1:111122223333:wake.fifo"))
}

func (w waker) GrantWake(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{Grantee: grantee, Actions: jsii.Strings("sqs:SendMessage"),
		ResourceArns: jsii.Strings("arn:aws:sqs:eu-west-1:111122223333:wake.fifo")})
}

func (w waker) Window() time.Duration { return 2 * time.Minute }

// aReplication is a replication that stands alone.
func aReplication(t *testing.T, change func(awscdk.Stack, *ingestion.ReplicationProps)) (cdktest.Template, awscdk.Stack) {
	t.Helper()
	stack := cdktest.NewStack(t)
	props := &ingestion.ReplicationProps{
		Replication: erp(stack), Raw: importedRaw(stack), Waker: waker{stack},
		Ledger: catalog.LedgerFromAttributes(stack, "Ledger", catalog.LedgerAttributes{TableName: "ledger", KeyArn: "arn:aws:kms:eu-west-1:111122223333:key/ledger"}),
		Alarms: operations.NewAlarms(stack, "Alarms", &operations.AlarmsProps{Lake: "shop"}),
	}
	if change != nil {
		change(stack, props)
	}
	manifest, err := dataset.NewManifest("shop", props.Specs(), props.Landings("Erp"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if props.Manifest == nil {
		props.Manifest = catalog.NewManifest(stack, "Manifest", manifest)
	}
	r := ingestion.NewReplication(stack, "Erp", props)
	r.GrantOperate(awsiam.NewRole(stack, jsii.String("Operator"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()}))
	return cdktest.Synth(t, stack), stack
}

func TestReplicationResources(t *testing.T) {
	tpl, _ := aReplication(t, func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Generation = 2 })
	config := tpl.Named(t, "AWS::DMS::ReplicationConfig", "ErpReplicationG2").Properties()
	name := config["ReplicationConfigIdentifier"].(string)
	if name != config["ResourceIdentifier"] || !strings.HasPrefix(name, "strata-") || !strings.HasSuffix(name, "-g2") || len(name) > 31 {
		t.Errorf("the configuration is named %q", name)
	}
	if got := cdktest.JSON(config["ComputeConfig"]); !strings.Contains(got, `"MaxCapacityUnits": 4`) || !strings.Contains(got, "ErpSecurityGroup") {
		t.Errorf("compute: %s", got)
	}
	var mappings struct {
		Rules []map[string]any `json:"rules"`
	}
	text, _ := json.Marshal(config["TableMappings"])
	if err := json.Unmarshal(text, &mappings); err != nil || len(mappings.Rules) != 4 {
		t.Fatalf("mappings: %v, %s", err, text)
	}
	ids := map[any]bool{}
	for i, want := range []string{`"orders"`, `"items"`, `"value":"AR_H_CHANGE_SEQ"`, `"column-filter":"pk-only"`} {
		rule := mappings.Rules[i]
		ids[rule["rule-id"]] = true
		if (i < 2) != (rule["rule-action"] == "explicit") || rule["object-locator"].(map[string]any)["schema-name"] != "public" {
			t.Errorf("rule %d: %v", i, rule)
		}
		if text, _ := json.Marshal(rule); !strings.Contains(string(text), want) {
			t.Errorf("rule %d: want %s in %s", i, want, text)
		}
	}
	if len(ids) != 4 {
		t.Errorf("rule ids repeat: %s", text)
	}
	settings := cdktest.JSON(config["ReplicationSettings"])
	for _, want := range []string{`"DataErrorPolicy": "SUSPEND_TABLE"`, `"TableErrorPolicy": "SUSPEND_TABLE"`, `"HandleSourceTableTruncated": false`,
		`"HandleSourceTableDropped": false`, `"TargetTablePrepMode": "DO_NOTHING"`, `"LobMaxSize": 1024`, `"EnableLogging": true`, `"StatusTableEnabled": false`} {
		if !strings.Contains(settings, want) {
			t.Errorf("settings: want %s in %s", want, settings)
		}
	}
	target := cdktest.JSON(tpl.Named(t, "AWS::DMS::Endpoint", "ErpRawG2").Properties())
	for _, want := range []string{`"BucketFolder": "erp/g2"`, `"DataFormat": "parquet"`, `"IncludeOpForFullLoad": true`, `"EncryptionMode": "SSE_KMS"`,
		`"ServerSideEncryptionKmsKeyId": "arn:aws:kms:eu-west-1:111122223333:key/raw"`} {
		if !strings.Contains(target, want) {
			t.Errorf("target: want %s in %s", want, target)
		}
	}
	source := cdktest.JSON(tpl.Named(t, "AWS::DMS::Endpoint", "ErpDatabase").Properties())
	for _, want := range []string{`"DatabaseName": "erp"`, `"SslMode": "require"`, "secret:erp-AbCdEf", `"FailTasksOnLobTruncation": true`} {
		if !strings.Contains(source, want) || strings.Contains(source, "Password") {
			t.Errorf("source: want %s in %s", want, source)
		}
	}
	if got := cdktest.JSON(tpl.One(t, "AWS::DMS::ReplicationSubnetGroup").Properties()["SubnetIds"]); !strings.Contains(got, "subnet-0a") || strings.Contains(got, "subnet-0c") {
		t.Errorf("subnets: %s", got)
	}
	group := tpl.One(t, "AWS::EC2::SecurityGroup").Properties()
	egress := cdktest.JSON(group["SecurityGroupEgress"])
	if group["SecurityGroupIngress"] != nil || strings.Count(egress, "FromPort") != 2 || !strings.Contains(egress, `"FromPort": 5432`) || !strings.Contains(egress, "10.0.0.0/16") {
		t.Errorf("group: %s", cdktest.JSON(group))
	}
	environment := cdktest.JSON(tpl.Named(t, "AWS::Lambda::Function", "ErpController").Properties()["Environment"])
	for _, want := range []string{`"REPLICATION_SOURCE": "Erp"`, `"REPLICATION_GENERATION": "2"`, `"REPLICATION_MODE": "full-load-and-cdc"`, `"WINDOW_SECONDS": "120"`, "ErpReplicationG2"} {
		if !strings.Contains(environment, want) {
			t.Errorf("controller: want %s in %s", want, environment)
		}
	}
	if got := tpl.Named(t, "AWS::Events::Rule", "ErpTick").Properties()["ScheduleExpression"]; got != "rate(1 minute)" {
		t.Errorf("it ticks at %v", got)
	}
	alarms := 0
	for _, a := range tpl.Resources("AWS::CloudWatch::Alarm") {
		if strings.HasPrefix(a.ID, "Erp") {
			alarms++
		}
	}
	if outputs := cdktest.JSON(tpl["Outputs"]); alarms != 7 || !strings.Contains(outputs, `{\"action\":\"stop\"}`) {
		t.Errorf("%d alarms, outputs %s", alarms, outputs)
	}
	crash := tpl.Named(t, "AWS::CloudWatch::Alarm", "ErpControllerErrors").Properties()
	if crash["Namespace"] != "AWS/Lambda" || crash["MetricName"] != "Errors" || crash["Threshold"] != 1.0 || crash["Period"] != 300.0 ||
		crash["TreatMissingData"] != "notBreaching" || !strings.Contains(cdktest.JSON(crash["Dimensions"]), tpl.Named(t, "AWS::Lambda::Function", "ErpController").ID) {
		t.Errorf("the alarm on the controller: %s", cdktest.JSON(crash))
	}
	if lag := cdktest.JSON(tpl.Named(t, "AWS::CloudWatch::Alarm", "ErpCDCLatencyTarget").Properties()); !strings.Contains(lag, ":"+name) || !strings.Contains(lag, "ReplicationConfigId") || !strings.Contains(lag, `"Threshold": 900`) ||
		!strings.Contains(lag, `"TreatMissingData": "missing"`) {
		t.Errorf("the alarm on the lag: %s", lag)
	}
}

// TestReplicationPolicies holds every permission to what is needed, word for word.
func TestReplicationPolicies(t *testing.T) {
	tpl, stack := aReplication(t, func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Generation, p.AccountRoles = 6, true })
	config := tpl.One(t, "AWS::DMS::ReplicationConfig")
	name := strings.TrimSuffix(config.Properties()["ReplicationConfigIdentifier"].(string), "6")
	arn := func(g int) string {
		return fmt.Sprintf("arn:${AWS::Partition}:dms:${AWS::Region}:${AWS::AccountId}:replication-config:%s%d", name, g)
	}
	for policy, want := range map[string][]string{
		"ErpTargetRoleDefaultPolicy": {
			"Allow kms:Decrypt kms:GenerateDataKey on arn:aws:kms:eu-west-1:111122223333:key/raw",
			"Allow s3:AbortMultipartUpload s3:PutObject on arn:${AWS::Partition}:s3:::raw/erp/*",
			"Allow s3:DeleteObject s3:PutObjectTagging on arn:${AWS::Partition}:s3:::raw/erp/*",
			"Allow s3:ListBucket on arn:${AWS::Partition}:s3:::raw",
		},
		"ErpSecretRoleDefaultPolicy": {
			"Allow kms:Decrypt on arn:aws:kms:eu-west-1:111122223333:key/login",
			"Allow secretsmanager:DescribeSecret secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:111122223333:secret:erp-AbCdEf",
		},
		"ErpControllerRoleDefaultPolicy": {
			"Allow dms:DeleteReplicationConfig dms:StopReplication on " + arn(3) + " " + arn(4) + " " + arn(5),
			"Allow dms:DescribeReplicationTableStatistics dms:StartReplication dms:StopReplication on ${" + config.ID + ".ReplicationConfigArn}",
			"Allow dms:DescribeReplications on *",
			"Allow dynamodb:GetItem dynamodb:Query dynamodb:ConditionCheckItem dynamodb:DeleteItem dynamodb:PutItem dynamodb:UpdateItem on arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/ledger",
			"Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:ReEncryptFrom kms:ReEncryptTo on arn:aws:kms:eu-west-1:111122223333:key/ledger",
			"Allow logs:CreateLogStream logs:PutLogEvents on ${ErpControllerLog.Arn}",
			"Allow s3:GetObject on",
			"Allow s3:ListBucketVersions on arn:${AWS::Partition}:s3:::raw if s3:prefix StringLike erp/*",
			"Allow sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:wake.fifo",
		},
		"OperatorDefaultPolicy": {"Allow lambda:InvokeFunction on ${ErpController.Arn}"},
	} {
		got := statementsOf(tpl, policy)
		for i, line := range got {
			if strings.HasPrefix(line, "Allow s3:GetObject on") { // the manifest's asset, whose name is a hash
				got[i] = "Allow s3:GetObject on"
			}
		}
		if err := policytest.Equal(got, want); err != nil {
			t.Errorf("%s: %v", policy, err)
		}
	}
	for role, want := range map[string]string{
		"ErpTargetRole": `"aws:SourceAccount"`, "ErpSecretRole": `"AWS::Region"`, "ErpVpcRole": `"dms-vpc-role"`, "ErpLogsRole": `"dms-cloudwatch-logs-role"`,
	} {
		var text string
		for _, r := range tpl.Resources("AWS::IAM::Role") {
			if strings.HasPrefix(r.ID, role) {
				text += cdktest.JSON(r.Body)
			}
		}
		if !strings.Contains(text, want) || !strings.Contains(text, "dms.") {
			t.Errorf("%s: want %s in %s", role, want, text)
		}
	}
	if got := policytest.Wildcards(tpl); len(got) != 1 || !strings.Contains(got[0], "Resource *") {
		t.Errorf("wildcards: %q, want the description of replications, for which there is no resource", got)
	}
	if found := policytest.Nag(stack); len(found) > 0 {
		t.Errorf("rule pack: %s", strings.Join(found, "\n"))
	}
}

// A secret may be brought by its name; the end of its ARN is then unknown.
func TestReplicationSecretByName(t *testing.T) {
	tpl, _ := aReplication(t, func(stack awscdk.Stack, p *ingestion.ReplicationProps) {
		p.From.Secret = awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String("Named"), jsii.String("erp/login"))
	})
	if err := policytest.Equal(statementsOf(tpl, "ErpSecretRoleDefaultPolicy"), []string{"Allow secretsmanager:DescribeSecret secretsmanager:GetSecretValue on " +
		"arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:erp/login-??????"}); err != nil {
		t.Error(err)
	}
}

func TestReplicationEveryPropCounts(t *testing.T) {
	render := func(change func(awscdk.Stack, *ingestion.ReplicationProps)) string {
		tpl, _ := aReplication(t, change)
		return cdktest.JSON(tpl)
	}
	seen := map[string]string{render(nil): "the default"}
	for name, change := range map[string]func(awscdk.Stack, *ingestion.ReplicationProps){
		"Schema": func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Schema = "shop" },
		"Tables": func(_ awscdk.Stack, p *ingestion.ReplicationProps) {
			p.Tables = map[string]string{"sales.orders": "Orders"}
		},
		"Datasets":     func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Datasets = p.Datasets[:1] },
		"Generation":   func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Generation = 3 },
		"LoadOnly":     func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Mode = ingestion.LoadOnly },
		"ChangesOnly":  func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Mode = ingestion.ChangesOnly },
		"MaxCapacity":  func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.MaxCapacity = 8 },
		"MultiAZ":      func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.MultiAZ = true },
		"MaxLOB":       func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.MaxLOB = 64 },
		"MaxLatency":   func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.MaxLatency = time.Hour },
		"AccountRoles": func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.AccountRoles = true },
		"Database":     func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.From.Database = "crm" },
		"Port":         func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.From.Port = 5433 },
		"SSL":          func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.From.SSL = ingestion.SSLNone },
		"Subnets": func(_ awscdk.Stack, p *ingestion.ReplicationProps) {
			p.From.Subnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PUBLIC}
		},
		"SecurityGroups": func(s awscdk.Stack, p *ingestion.ReplicationProps) {
			p.From.SecurityGroups = []awsec2.ISecurityGroup{awsec2.SecurityGroup_FromSecurityGroupId(s, jsii.String("Group"), jsii.String("sg-0123"), nil)}
		},
		"Key": func(s awscdk.Stack, p *ingestion.ReplicationProps) {
			p.Key = awskms.Key_FromKeyArn(s, jsii.String("K"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/mine"))
		},
		"LogRetention":         func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.LogRetention = 24 * time.Hour },
		"PreserveTransactions": func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.PreserveTransactions = true },
	} {
		text := render(change)
		if other, again := seen[text]; again {
			t.Errorf("%s makes the same template as %s", name, other)
		}
		seen[text] = name
	}
}

// A generation makes new resources beside those it replaces, so that CloudFormation makes the one before it deletes the
// other; nothing else of the source changes.
func TestReplicationGenerations(t *testing.T) {
	ids := func(generation int) []string {
		tpl, _ := aReplication(t, func(_ awscdk.Stack, p *ingestion.ReplicationProps) { p.Generation = generation })
		var out []string
		for _, r := range tpl.Resources("") {
			if strings.HasPrefix(r.ID, "Erp") {
				out = append(out, r.ID)
			}
		}
		return out
	}
	one, two := ids(1), ids(2)
	var changed []string
	for _, id := range two {
		if !slices.Contains(one, id) {
			changed = append(changed, id[:len(id)-len("B74B5B02")])
		}
	}
	if len(one) != len(two) || len(changed) != 2 || !slices.Contains(changed, "ErpRawG2") || !slices.Contains(changed, "ErpReplicationG2") {
		t.Errorf("generation 2 brings %q", changed)
	}
}

func TestReplicationRejections(t *testing.T) {
	err := cdktest.Rejected(t, func() {
		stack := cdktest.NewStack(t)
		ingestion.NewReplication(stack, "erp", nil)
	})
	for _, want := range []string{"at Test/erp", `"erp" is no source id`, "Manifest: is missing", "From.Vpc: is missing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
	err = cdktest.Rejected(t, func() {
		aReplication(t, func(_ awscdk.Stack, p *ingestion.ReplicationProps) {
			p.From.Subnets = &awsec2.SubnetSelection{AvailabilityZones: jsii.Strings("a")}
		})
	})
	if !strings.Contains(err.Error(), "From.Subnets: lie in one availability zone") {
		t.Errorf("got %v", err)
	}
}

func TestReplicationInALake(t *testing.T) {
	stack := cdktest.NewStack(t)
	lake.New(stack, "Lake", &lake.Props{Name: "shop", Sources: lake.Sources{
		"Erp": erp(stack), "Files": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "extras")}},
	}})
	tpl := cdktest.Synth(t, stack)
	if c := tpl.One(t, "AWS::DMS::ReplicationConfig"); !strings.HasPrefix(c.ID, "LakeErpReplicationG1") {
		t.Errorf("the configuration is %s", c.ID)
	}
	if outputs := cdktest.JSON(tpl["Outputs"]); !strings.Contains(outputs, "LakeErpPauseCommand") {
		t.Errorf("outputs: %s", outputs)
	}
	if found := policytest.Nag(stack); len(found) > 0 {
		t.Errorf("rule pack: %s", strings.Join(found, "\n"))
	}
}
