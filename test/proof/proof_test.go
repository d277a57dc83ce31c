package proof_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/test/proof"
)

const root = "../.."

// settings is the context of cdk.json without the bundling of assets, which no gate reads.
func settings(tb testing.TB) map[string]any {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "cdk.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(raw, &file); err != nil {
		tb.Fatal(err)
	}
	if file.Context["@aws-cdk/core:validateAgainstDefaultRules"] != true {
		tb.Fatal("cdk.json does not ask for strict validation")
	}
	file.Context["aws:cdk:bundling-stacks"] = []string{}
	return file.Context
}

// synthesised are the cloud assemblies the gates judge, by name: each example as its own program, and a lake that uses
// what the examples leave out. All are synthesised under strict validation.
var synthesised = sync.OnceValues(func() (map[string]string, error) {
	programs, err := filepath.Glob(filepath.Join(root, "examples", "*", "main.go"))
	if err != nil || len(programs) == 0 {
		return nil, fmt.Errorf("no examples found: %v", err)
	}
	dirs := map[string]string{}
	for _, program := range programs {
		name := filepath.Base(filepath.Dir(program))
		if dirs[name], err = example(name); err != nil {
			return nil, err
		}
	}
	dirs["everything"], err = everything()
	return dirs, err
})

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "strata-proof-"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(scratch)
	os.Exit(status)
}

func example(name string) (string, error) {
	out := filepath.Join(scratch, name)
	context, err := json.Marshal(settings(discard{}))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "run", "./examples/"+name)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+string(context))
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("examples/%s does not synthesise under strict validation: %w\n%s", name, err, text)
	}
	return out, nil
}

// discard stands for a test where there is none yet: a failure there stops the whole package.
type discard struct{ testing.TB }

func (discard) Helper()           {}
func (discard) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func everything() (dir string, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("the lake with everything does not synthesise under strict validation: %v", problem)
		}
	}()
	dir = filepath.Join(scratch, "everything")
	context := settings(discard{})
	context["strata:allow-deletion"] = true
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(dir), Context: &context, AnalyticsReporting: jsii.Bool(false)})
	stack := awscdk.NewStack(app, jsii.String("Everything"), nil)
	sender := awsiam.NewRole(stack, jsii.String("Sender"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	reader := awsiam.NewRole(stack, jsii.String("Reader"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	spec := func(domain, name string, protect dataset.Protection) dataset.Spec {
		return dataset.Spec{Domain: domain, Name: name, Keys: []string{"id"}, Freshness: time.Hour, Columns: []dataset.Column{
			{Name: "id", Type: dataset.Bigint},
			{Name: "note", Type: dataset.String, Class: dataset.Personal, Protect: protect},
		}}
	}
	shop := lake.New(stack, "Shop", &lake.Props{
		Name: "shop",
		Sources: lake.Sources{
			"ErpFiles": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders", dataset.Hash)}, Senders: []awsiam.IGrantable{sender}},
			"Partners": ingestion.FileDrop{Datasets: []dataset.Spec{spec("supply", "parts", dataset.Drop)}},
		},
		Models:      fstest.MapFS{"sales/totals.sql": {Data: []byte(`SELECT count(*) AS n FROM {{ ref("sales.orders") }}`)}},
		Queries:     fstest.MapFS{"open_orders.sql": {Data: []byte(`SELECT * FROM {{ ref("sales.totals") }}`)}},
		AlarmEmails: []string{"ops@example.org"}, RawRetention: 400 * 24 * time.Hour, AllowDeletion: true,
	})
	shop.GrantRead(reader)
	shop.GrantLand(sender)
	lake.New(stack, "Plain", &lake.Props{Name: "plain", Sources: lake.Sources{
		"Files": ingestion.FileDrop{Datasets: []dataset.Spec{spec("ops", "events", dataset.Drop)}},
	}})
	app.Synth(nil)
	return dir, nil
}

// templates are the template files of all assemblies.
func templates(t *testing.T) map[string]string {
	t.Helper()
	dirs, err := synthesised()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "*.template.json"))
		if len(found) == 0 {
			t.Fatalf("%s has no template", name)
		}
		for _, f := range found {
			files[name+"/"+strings.TrimSuffix(filepath.Base(f), ".template.json")] = f
		}
	}
	return files
}

func read(t *testing.T, file string) proof.Template {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var template proof.Template
	if err := json.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	return template
}

// TestStrictValidation is passed when everything synthesises; it fails for a type that does not exist.
func TestStrictValidation(t *testing.T) {
	templates(t)
	context := settings(t)
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir()), Context: &context})
	stack := awscdk.NewStack(app, jsii.String("Broken"), nil)
	awscdk.NewCfnResource(stack, jsii.String("BadType"), &awscdk.CfnResourceProps{Type: jsii.String("AWS::Glue::Nope")})
	defer func() {
		if recover() == nil {
			t.Error("strict validation accepts a resource type that does not exist")
		}
	}()
	app.Synth(nil)
}

func TestNoWildcards(t *testing.T) {
	for name, file := range templates(t) {
		for _, finding := range proof.Wildcards(read(t, file)) {
			t.Errorf("%s: %s", name, finding)
		}
	}
}

func TestNoLiterals(t *testing.T) {
	for name, file := range templates(t) {
		for _, finding := range proof.Literals(read(t, file)) {
			t.Errorf("%s: %s", name, finding)
		}
	}
}

func TestNag(t *testing.T) {
	for name, file := range templates(t) {
		for _, finding := range proof.Nag(file) {
			t.Errorf("%s: %s", name, finding)
		}
	}
}

// TestNagSees proves that the rule pack looks at what an example suppresses: without its metadata every suppressed rule
// has a finding.
func TestNagSees(t *testing.T) {
	for name, file := range templates(t) {
		template := read(t, file)
		all, err := proof.Suppressions(template)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range template["Resources"].(map[string]any) {
			delete(body.(map[string]any), "Metadata")
		}
		bare := filepath.Join(t.TempDir(), "bare.template.json")
		write(t, bare, template)
		found := strings.Join(proof.Nag(bare), "\n")
		for _, s := range all {
			if !strings.Contains(found, s.Rule) {
				t.Errorf("%s: %s is suppressed but has no finding", name, s.Rule)
			}
		}
	}
}

var update = flag.Bool("update", false, "write the golden templates")

// TestGolden compares each example's template with its golden file, without what changes with every edit of a handler,
// a script or a declaration: the names of assets and the hash of the manifest.
func TestGolden(t *testing.T) {
	for name, file := range templates(t) {
		program, stack, _ := strings.Cut(name, "/")
		if program == "everything" {
			continue
		}
		text, err := json.MarshalIndent(normalise(map[string]any(read(t, file))), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got := string(text) + "\n"
		golden := filepath.Join(root, "test", "golden", program+"."+stack+".json")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from %s at line %d; run go test ./test/proof -run Golden -update and read the difference",
				name, golden, firstDifference(got, string(want)))
		}
	}
}

// normalise takes the hashes out, and sorts the resources of statements, whose order depends on the hashes.
func normalise(v any) any {
	switch v := v.(type) {
	case string:
		return sha256Text.ReplaceAllString(v, "<sha256>")
	case []any:
		for i := range v {
			v[i] = normalise(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = normalise(v[k])
		}
		if resources, ok := v["Resource"].([]any); ok {
			slices.SortFunc(resources, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	return v
}

var sha256Text = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

func firstDifference(a, b string) (line int) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for line < len(x) && line < len(y) && x[line] == y[line] {
		line++
	}
	return line + 1
}

// TestSuppressions counts what each program suppresses, and writes the quickstart's list for the report.
func TestSuppressions(t *testing.T) {
	programs := map[string][]proof.Template{}
	for name, file := range templates(t) {
		program, _, _ := strings.Cut(name, "/")
		programs[program] = append(programs[program], read(t, file))
	}
	for program, ts := range programs {
		all, err := proof.Suppressions(ts...)
		if err != nil {
			t.Errorf("%s: %v", program, err)
		}
		if err := proof.Budget(all); err != nil {
			t.Errorf("%s: %v", program, err)
		}
		if program == "quickstart" {
			write(t, filepath.Join(root, "build", "proof", "suppressions.json"), all)
		}
	}
}

func write(t *testing.T, file string, v any) {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lint runs cfn-lint. W3005 is left out: the CDK writes the DependsOn of a function on its role beside the GetAtt that
// implies it.
func lint(t *testing.T, file string) (report string, clean bool) {
	t.Helper()
	tool := filepath.Join(root, ".venv", "bin", "cfn-lint")
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("cfn-lint is not installed: run make setup (%v)", err)
	}
	text, err := exec.Command(tool, "--ignore-checks", "W3005", "--template", file).CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return string(text), err == nil
}

func TestLint(t *testing.T) {
	for name, file := range templates(t) {
		if report, clean := lint(t, file); !clean {
			t.Errorf("%s:\n%s", name, report)
		}
	}
}
