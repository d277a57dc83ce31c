package lake_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
)

// granted is the policy a role of its own gets from a grant, as text: one line per statement.
func granted(t *testing.T, props *lake.Props, grant func(*lake.Lake, awsiam.IGrantable)) string {
	t.Helper()
	stack := cdktest.NewStack(t)
	l := lake.New(stack, "Lake", props)
	role := awsiam.NewRole(stack, jsii.String("Person"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	grant(l, role)
	policy := cdktest.Synth(t, stack).Named(t, "AWS::IAM::Policy", "Person")
	document := policy.Properties()["PolicyDocument"].(map[string]any)
	var lines []string
	for _, s := range document["Statement"].([]any) {
		statement := s.(map[string]any)
		line := flat(statement["Action"]) + " on " + flat(statement["Resource"])
		if c := statement["Condition"]; c != nil {
			line += " if " + flat(c.(map[string]any)["StringLike"].(map[string]any)["s3:prefix"])
		}
		lines = append(lines, hash.ReplaceAllString(line, ""))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// hash is the end of a logical id.
var hash = regexp.MustCompile(`[0-9A-F]{8}\b`)

func flat(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = flat(e)
		}
		return strings.Join(parts, ",")
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return strings.TrimPrefix(ref, "AWS::")
		}
		if att, ok := v["Fn::GetAtt"].([]any); ok {
			return flat(att[0])
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			return strings.ReplaceAll(flat(join[1]), ",", "")
		}
	}
	return "?"
}

func TestGrantLand(t *testing.T) {
	props := &lake.Props{Name: "shop", Sources: lake.Sources{
		"ErpFiles": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders"), spec("sales", "items")}},
		"Partners": ingestion.FileDrop{Datasets: []dataset.Spec{spec("supply", "parts")}},
	}}
	got := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantLand(who, "ErpFiles") })
	want := strings.Join([]string{
		"kms:Decrypt,kms:GenerateDataKey on LakeKeysRaw",
		"s3:AbortMultipartUpload,s3:PutObject on LakeRawBucket/erp-files/*",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	all := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantLand(who) })
	if !strings.Contains(all, "/erp-files/*") || !strings.Contains(all, "/partners/*") {
		t.Errorf("without sources not all are granted:\n%s", all)
	}
}

func TestGrantReplay(t *testing.T) {
	props := &lake.Props{Name: "shop", Sources: lake.Sources{"Files": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders")}}}}
	got := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantReplay(who) })
	for _, want := range []string{
		"s3:AbortMultipartUpload,s3:PutObject on LakeRawBucket/corrections/*", "states:StartExecution on LakePipelineReplay", "states:DescribeExecution on",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nlacks %s", got, want)
		}
	}
	if strings.Contains(got, "GetObject") {
		t.Errorf("an operator may read:\n%s", got)
	}
}

func TestGrantRead(t *testing.T) {
	props := &lake.Props{Name: "shop", Models: files("sales/totals.sql", totals), Sources: lake.Sources{
		"Files": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders"), spec("supply", "parts")}},
	}}
	got := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantRead(who, "sales") })
	for _, want := range []string{
		"s3:GetObject on LakeCleanedBucket/sales/*", "s3:GetObject on LakeCuratedBucket/sales/*",
		"kms:Decrypt on LakeKeysCleaned", "kms:Decrypt on LakeKeysCurated",
		"table/shop_sales_cleaned/*", "table/shop_sales_curated/*", "workgroup/shop",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
	for _, closed := range []string{"supply", "quarantine", "Quarantine", "LakeRaw", "KeysRaw", "glue:Update", "glue:Create"} {
		if strings.Contains(got, closed) {
			t.Errorf("a reader of sales reaches %s:\n%s", closed, got)
		}
	}
	if all := granted(t, props, func(l *lake.Lake, who awsiam.IGrantable) { l.GrantRead(who) }); !strings.Contains(all, "shop_supply_cleaned") {
		t.Errorf("without domains not all are granted:\n%s", all)
	}
}

func TestGrantsOfWhatIsNotThere(t *testing.T) {
	stack := cdktest.NewStack(t)
	l := lake.New(stack, "Lake", minimal())
	who := awsiam.NewAccountRootPrincipal()
	err := cdktest.Rejected(t, func() { l.GrantRead(who, "sales", "supply") })
	if !strings.Contains(err.Error(), `domain[1]: is no domain of the lake; got "supply"; allowed: sales`) {
		t.Error(err)
	}
	err = cdktest.Rejected(t, func() { l.Source("Clicks") })
	if !strings.Contains(err.Error(), `source: is no source of the lake; got "Clicks"; allowed: Files`) {
		t.Error(err)
	}
	err = cdktest.Rejected(t, func() { l.GrantLand(who, "Clicks") })
	if !strings.Contains(err.Error(), `source[0]: is no source that takes files; got "Clicks"; allowed: Files`) {
		t.Error(err)
	}
}

// TestSource lets the database's security group admit the replication's.
func TestSource(t *testing.T) {
	stack := cdktest.NewStack(t)
	source := erp(stack)
	l := lake.New(stack, "Lake", &lake.Props{Name: "shop", Sources: lake.Sources{"Erp": source}})
	database := awsec2.NewSecurityGroup(stack, jsii.String("Database"), &awsec2.SecurityGroupProps{Vpc: source.From.Vpc})
	database.AddIngressRule(l.Source("Erp").(*ingestion.DatabaseReplication).SecurityGroup(), awsec2.Port_Tcp(jsii.Number(5432)), nil, nil)
	rule := cdktest.Synth(t, stack).Named(t, "AWS::EC2::SecurityGroupIngress", "Database").Properties()
	if got := flat(rule["SourceSecurityGroupId"]); !strings.HasPrefix(got, "LakeErpSecurityGroup") {
		t.Errorf("the rule admits %s", got)
	}
}

// TestSenders holds that a sender of the declaration gets what GrantLand gives.
func TestSenders(t *testing.T) {
	stack := cdktest.NewStack(t)
	sender := awsiam.NewRole(stack, jsii.String("Sender"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	props := minimal()
	props.Sources = lake.Sources{"Files": ingestion.FileDrop{
		Datasets: []dataset.Spec{spec("sales", "orders")}, Senders: []awsiam.IGrantable{sender},
	}}
	lake.New(stack, "Lake", props)
	if got := cdktest.JSON(cdktest.Synth(t, stack).Named(t, "AWS::IAM::Policy", "Sender").Body); !strings.Contains(got, "/files/*") {
		t.Errorf("the sender may not land: %s", got)
	}
}

var dataclass = regexp.MustCompile(`(?s)class (\w+)Arguments\(_Arguments\):.*?\n\n\n|class (\w+)Arguments\(_Arguments\):.*$`)

// TestJobArguments compares what the constructs give the jobs with what the scripts' dataclasses expect; run_uri,
// manifest_uri, erasure, validation and request come with each run.
func TestJobArguments(t *testing.T) {
	source, err := os.ReadFile("../../glue-scripts/lakejobs/arguments.py")
	if err != nil {
		t.Fatal(err)
	}
	field := regexp.MustCompile(`(?m)^    (\w+): (?:str|int)$`)
	tpl, _, _ := synthValidated(t, func(_ awscdk.Stack, p *lake.Props) {
		own := with(func(p *lake.Props) {
			p.Models = files("sales/totals.sql", totals)
			forget(p)
		})
		p.Models, p.RawRetention = own.Models, own.RawRetention
		replicated := p.Sources["Erp"].(ingestion.Replication)
		replicated.Datasets = replicated.Datasets[1:]
		replicated.Tables = nil
		p.Sources["Erp"], p.Sources["Files"] = replicated, own.Sources["Files"]
	})
	for id, want := range map[string]struct {
		given string
		jobs  int
	}{"LakePipelineRun": {`"Arguments":{"--run_uri.$":"$.run_uri"}`, 2}, "LakePipelineMaintenance": {`"Arguments":{"--manifest_uri.$":"$.manifest_uri","--request.$":"States.JsonToString($$.Execution.Input)"}`, 1},
		"LakeValidationsErpMachine": {`"Arguments":{"--manifest_uri.$":"$.manifest_uri","--request.$":"States.JsonToString($$.Execution.Input)","--validation.$":"$$.Execution.Name"}`, 1},
		"LakePipelineErasure":       {`"Arguments":{"--erasure.$":"$$.Execution.Name","--manifest_uri.$":"$.manifest.manifest_uri","--request.$":"$.request"}`, 1}} {
		machine := tpl.Named(t, "AWS::StepFunctions::StateMachine", id).Properties()["DefinitionString"].(string)
		if strings.Count(machine, want.given) != want.jobs || strings.Count(machine, `"Arguments"`) != want.jobs {
			t.Errorf("%s does not give its jobs %s alone", id, want.given)
		}
	}
	seen := 0
	for _, m := range dataclass.FindAllString(string(source), -1) {
		name := regexp.MustCompile(`class (\w+)Arguments`).FindStringSubmatch(m)[1]
		var want []string
		for _, f := range field.FindAllStringSubmatch(m, -1) {
			if f[1] != "run_uri" && f[1] != "manifest_uri" && f[1] != "erasure" && f[1] != "validation" && f[1] != "request" {
				want = append(want, f[1])
			}
		}
		var got []string
		id := "LakePipeline" + name
		if name == "Validate" {
			id = "LakeValidationsErpJob"
		}
		job := tpl.Named(t, "AWS::Glue::Job", id)
		for argument := range job.Properties()["DefaultArguments"].(map[string]any) {
			if own := strings.TrimPrefix(argument, "--"); !glueOwn[own] {
				got = append(got, own)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: the construct sets %v, the script expects %v", name, got, want)
		}
		seen++
	}
	if seen != 5 {
		t.Errorf("found %d dataclasses of arguments, want 5", seen)
	}
}

// glueOwn are arguments Glue itself reads.
var glueOwn = map[string]bool{"conf": true, "custom-logGroup-prefix": true, "datalake-formats": true,
	"extra-jars": true, "extra-py-files": true, "job-bookmark-option": true, "user-jars-first": true}
