package lake_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/security"
)

func spec(domain, name string) dataset.Spec {
	return dataset.Spec{
		Domain: domain, Name: name, Keys: []string{"id"},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}, {Name: "total", Type: dataset.Decimal(15, 2)}},
	}
}

// minimal is the smallest declaration that is accepted.
func minimal() *lake.Props {
	return &lake.Props{Name: "shop", Sources: lake.Sources{
		"Files": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders")}},
	}}
}

func files(pairs ...string) fstest.MapFS {
	tree := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		tree[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return tree
}

const totals = `SELECT id, sum(total) AS total FROM {{ ref("sales.orders") }} GROUP BY id`

func synth(t *testing.T, props *lake.Props) cdktest.Template {
	t.Helper()
	stack := cdktest.NewStack(t)
	lake.New(stack, "Lake", props)
	return cdktest.Synth(t, stack)
}

// TestRejections covers every way to be refused: all problems are told at once, by the path of their field.
func TestRejections(t *testing.T) {
	twice := spec("sales", "orders")
	tests := map[string]struct {
		give *lake.Props
		want []string
	}{
		"nil props": {nil, []string{"Name: is missing", "Sources: is empty"}},
		"name":      {&lake.Props{Name: "My-Shop", Sources: minimal().Sources}, []string{`Name: is not a valid name; got "My-Shop"`}},
		"source id": {&lake.Props{Name: "shop", Sources: lake.Sources{"my files": minimal().Sources["Files"]}},
			[]string{`Sources["my files"]: "my files" is no source id; allowed: PascalCase`}},
		"kept for ever": {with(func(p *lake.Props) { forget(p); p.RawRetention = 0 }), []string{"RawRetention: is missing: sales.orders declares a Subject"}},
		"nil source":    {&lake.Props{Name: "shop", Sources: lake.Sources{"Files": nil}}, []string{`Sources["Files"]: is nil`}},
		"one folder": {&lake.Props{Name: "shop", Sources: lake.Sources{
			"ErpFiles": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders")}},
			"ERPFiles": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "items")}},
		}}, []string{`Sources["ErpFiles"]: lands in the folder of Sources["ERPFiles"]`}},
		"dataset": {&lake.Props{Name: "shop", Sources: lake.Sources{
			"Files": ingestion.FileDrop{Datasets: []dataset.Spec{{Domain: "sales", Name: "orders"}}},
		}}, []string{`Sources["Files"].Datasets[0].Columns`}},
		"same id": {&lake.Props{Name: "shop", Sources: lake.Sources{
			"A": ingestion.FileDrop{Datasets: []dataset.Spec{twice}}, "B": ingestion.FileDrop{Datasets: []dataset.Spec{twice}},
		}}, []string{`Sources["B"].Datasets[0]: the id is taken by Sources["A"].Datasets[0]`}},
		"model":   {with(func(p *lake.Props) { p.Models = files("sales/totals.sql", `SELECT 1 FROM {{ ref("sales.nope") }}`) }), []string{`Models["sales/totals.sql"]`, "sales.nope"}},
		"query":   {with(func(p *lake.Props) { p.Queries = files("open.sql", `SELECT 1 FROM {{ ref("sales.nope") }}`) }), []string{`Queries["open.sql"]`, "sales.nope"}},
		"builtin": {with(func(p *lake.Props) { p.Queries = files("failed_batches.sql", `SELECT 1`) }), []string{`Queries["failed_batches.sql"]`, "taken"}},
		"settings": {with(func(p *lake.Props) { p.Pipeline.Lease = time.Second; p.Pipeline.Workers = 1 }),
			[]string{"Pipeline.Lease: is out of range; got 1s", "Pipeline.Workers: is out of range; got 1"}},
		"ages": {with(func(p *lake.Props) { p.Pipeline.JobTimeout = 7 * 24 * time.Hour }),
			[]string{"Pipeline.JobTimeout: is too long: a job could still need what maintenance of", "allowed: at most 144h0m0s, or a longer Maintenance.Unreferenced of the dataset"}},
		"reconcile": {with(func(p *lake.Props) { p.ReconcileEvery = time.Minute }), []string{"ReconcileEvery: is out of range; got 1m0s"}},
		"retention": {with(func(p *lake.Props) { p.RawRetention, p.NoncurrentRetention = time.Hour, -24*time.Hour }), []string{
			"RawRetention: is no number of whole days; got 1h0m0s", "NoncurrentRetention: is no number of whole days; got -24h0m0s"}},
		"logs":       {with(func(p *lake.Props) { p.LogRetention = 2 * 24 * time.Hour }), []string{"LogRetention: is no retention of CloudWatch Logs"}},
		"scan limit": {with(func(p *lake.Props) { p.ScanLimit = 1 }), []string{"ScanLimit: is too small; got 1"}},
		"email":      {with(func(p *lake.Props) { p.AlarmEmails = []string{"ops"} }), []string{`AlarmEmails[0]: is no e-mail address; got "ops"`}},
		"all at once": {&lake.Props{Name: "9", Sources: lake.Sources{"x": ingestion.FileDrop{}}, ScanLimit: 1,
			Models:   files("sales/totals.sql", `SELECT 1 FROM {{ ref("sales.nope") }}`),
			Queries:  files("q.sql", `SELECT 1 FROM {{ ref("sales.gone") }}`),
			Pipeline: processing.Settings{MaxAttempts: -1}},
			[]string{"Name:", `Sources["x"]: "x" is no source id`, `Sources["x"].Datasets: is empty`, "ScanLimit:", "sales.nope", "sales.gone", "Pipeline.MaxAttempts:"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			stack := cdktest.NewStack(t)
			err := cdktest.Rejected(t, func() { lake.New(stack, "Lake", tt.give) })
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %q in:\n%v", want, err)
				}
			}
			if err.At != "Test/Lake" {
				t.Errorf("told at %q", err.At)
			}
			if stack.Node().TryFindChild(jsii.String("Lake")) != nil {
				t.Error("a construct was made before the declaration was refused")
			}
		})
	}
}

func with(change func(*lake.Props)) *lake.Props {
	p := minimal()
	change(p)
	return p
}

// TestOwnTopicAndDeletion holds that a topic that is brought is the only one, and that data goes with the stack only if both
// the declaration and the context say so.
func TestOwnTopicAndDeletion(t *testing.T) {
	stack := cdktest.NewStack(t)
	p := minimal()
	p.AlarmTopic = awssns.NewTopic(stack, jsii.String("Own"), nil)
	lake.New(stack, "Lake", p)
	if n := len(cdktest.Synth(t, stack).Resources("AWS::SNS::Topic")); n != 1 {
		t.Errorf("with a topic of one's own there are %d topics", n)
	}
	flagged := cdktest.NewStackWith(t, map[string]any{security.AllowDeletionContext: true})
	lake.New(flagged, "Lake", with(func(p *lake.Props) { p.AllowDeletion = true }))
	for _, r := range cdktest.Synth(t, flagged).Resources("") {
		if r.Body["DeletionPolicy"] == "Retain" {
			t.Errorf("%s is retained although both keys are turned", r.ID)
		}
	}
	unflagged := cdktest.NewStack(t)
	lake.New(unflagged, "Lake", with(func(p *lake.Props) { p.AllowDeletion = true }))
	warnings := assertions.Annotations_FromStack(unflagged).FindWarning(jsii.String("*"),
		assertions.Match_StringLikeRegexp(jsii.String(".*strata:allow-deletion.*")))
	if len(*warnings) != 1 {
		t.Errorf("want one warning of the missing flag, got %d", len(*warnings))
	}
}

// TestModels holds that a lake without models has no publish job, no publish step and no curated database.
func TestModels(t *testing.T) {
	without, withModels := synth(t, minimal()), synth(t, with(func(p *lake.Props) { p.Models = files("sales/totals.sql", totals) }))
	for want, tpl := range map[int]cdktest.Template{2: without, 3: withModels} {
		if got := len(tpl.Resources("AWS::Glue::Job")); got != want {
			t.Errorf("want %d jobs, got %d", want, got)
		}
		machine := tpl.Named(t, "AWS::StepFunctions::StateMachine", "LakePipelineRun").Properties()["DefinitionString"].(string)
		if strings.Contains(machine, "Publish") != (want == 3) {
			t.Errorf("%d jobs, but the definition is %s", want, machine)
		}
	}
	if a, b := len(without.Resources("AWS::Glue::Database")), len(withModels.Resources("AWS::Glue::Database")); b != a+1 {
		t.Errorf("a model's domain adds one database; got %d and %d", a, b)
	}
}

// TestTwoLakes holds that two lakes fit one stack: no construct id, logical id or physical name clashes.
func TestTwoLakes(t *testing.T) {
	stack := cdktest.NewStack(t)
	lake.New(stack, "One", with(func(p *lake.Props) { p.Name = "one" }))
	lake.New(stack, "Two", with(func(p *lake.Props) { p.Name = "two" }))
	names := map[string]string{}
	for _, r := range cdktest.Synth(t, stack).Resources("") {
		for _, key := range []string{"Name", "LogGroupName", "DatabaseInput"} {
			name := fmt.Sprint(r.Properties()[key])
			if input, ok := r.Properties()[key].(map[string]any); ok && key == "DatabaseInput" {
				name = fmt.Sprint(input["Name"])
			}
			at := fmt.Sprint(r.Body["Type"], " ", name, " ", r.Properties()["WorkGroup"], r.Properties()["DatabaseName"])
			if r.Properties()[key] == nil {
				continue
			}
			if r.Body["Type"] == "AWS::Glue::Table" || r.Body["Type"] == "AWS::Athena::NamedQuery" {
				continue
			}
			if other, taken := names[at]; taken {
				t.Errorf("%s and %s share the name %s", other, r.ID, name)
			}
			names[at] = r.ID
		}
	}
	if len(names) < 10 {
		t.Errorf("only %d physical names seen: %v", len(names), names)
	}
}

// TestAppOfTwoStacks holds that the same lake in two stacks of an app makes the same resources.
func TestAppOfTwoStacks(t *testing.T) {
	first := cdktest.NewStack(t)
	second := awscdk.NewStack(first.Node().Root().(awscdk.App), jsii.String("Second"), nil)
	lake.New(first, "Lake", minimal())
	lake.New(second, "Lake", minimal())
	a, b := cdktest.Synth(t, first).Resources(""), cdktest.Synth(t, second).Resources("")
	if len(a) != len(b) {
		t.Errorf("%d and %d resources", len(a), len(b))
	}
}
