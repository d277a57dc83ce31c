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
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/test/proof"
)

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

var (
	update = flag.Bool("update", false, "write the golden templates")
	accept = flag.Bool("accept", false, "with -update, write those that break what is deployed as well")
)

// TestGolden compares each example's template with its golden file, without what changes with every edit of a handler,
// a script or a declaration: the names of assets and the hash of the manifest. What would break a lake that was deployed
// from the golden file is told by name, and is not written without being accepted.
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
		reasons := breaks(t, golden, text)
		switch {
		case *update && len(reasons) > 0 && !*accept:
			t.Errorf("%s is not written: tell in CHANGELOG.md how a deployed lake gets there, and add -accept", golden)
		case *update:
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
			for _, reason := range reasons {
				t.Errorf("%s breaks what is deployed: %s", name, reason)
			}
		}
	}
}

// breaks tells what a template would break of a lake that was deployed from the golden file: nothing if there is none.
func breaks(t *testing.T, golden string, now []byte) []string {
	t.Helper()
	if _, err := os.Stat(golden); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var template proof.Template
	if err := json.Unmarshal(now, &template); err != nil {
		t.Fatal(err)
	}
	found, err := proof.Breaking(read(t, golden), template, createOnly(t))
	if err != nil {
		t.Fatal(err)
	}
	return found
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
