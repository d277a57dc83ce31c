package asset_test

import (
	"archive/zip"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/asset"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/conv"
	gluescripts "github.com/strata-cdk/strata/glue-scripts"
)

const hello = "github.com/strata-cdk/strata/constructs/internal/asset/testdata/hello"

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// bundling is the context in which the CDK bundles the assets of every stack.
var bundling = map[string]any{"aws:cdk:bundling-stacks": []string{"**"}}

func TestFunctionWithoutBundlingIsAPlaceholder(t *testing.T) {
	stack := cdktest.NewStack(t)
	props := &awslambda.FunctionProps{MemorySize: jsii.Number(256), Timeout: conv.Duration(90 * time.Second)}
	asset.NewFunction(stack, "Notice", asset.Handler("notice"), props)
	asset.NewFunction(stack, "Dispatch", asset.Handler("dispatch"), nil)
	if props.Code != nil || props.Handler != nil {
		t.Error("the caller's props were changed")
	}
	template := cdktest.Synth(t, stack)
	notice := template.Named(t, "AWS::Lambda::Function", "Notice")
	p := notice.Properties()
	if p["Runtime"] != "provided.al2023" || p["Handler"] != "bootstrap" || p["MemorySize"] != 256.0 || p["Timeout"] != 90.0 || cdktest.JSON(p["Architectures"]) != "[\n  \"arm64\"\n]\n" {
		t.Errorf("got %s", cdktest.JSON(p))
	}
	if got := notice.Metadata()[asset.ImportPathKey]; got != "github.com/strata-cdk/strata/lambda/notice" {
		t.Errorf("metadata: got %v", got)
	}
	other := template.Named(t, "AWS::Lambda::Function", "Dispatch").Properties()
	if cdktest.JSON(p["Code"]) == cdktest.JSON(other["Code"]) {
		t.Error("two handlers share one placeholder")
	}
}

func TestFunctionIsBuiltFromItsImportPath(t *testing.T) {
	stack := cdktest.NewStackWith(t, bundling)
	asset.NewFunction(stack, "Hello", hello, nil)
	cdktest.Synth(t, stack)
	found := assets(t, stack, ".zip")
	if len(found) != 1 {
		t.Fatalf("got assets %v", found)
	}
	if names := entries(t, found[0]); len(names) != 1 || names[0] != "bootstrap" {
		t.Errorf("the archive holds %v", names)
	}
}

func TestFailedBuildIsARejectionWithTheCompilersWords(t *testing.T) {
	stack := cdktest.NewStackWith(t, bundling)
	err := cdktest.Rejected(t, func() { asset.NewFunction(stack, "Hello", hello+"/none", nil) })
	if err.At != "Test/Hello" || !strings.Contains(err.Error(), "testdata/hello/none") {
		t.Errorf("got %v", err)
	}
}

func TestJobAssetsHoldTheSourcesAndNothingElse(t *testing.T) {
	stack := cdktest.NewStack(t)
	asset.JobScript(stack, "Refine", "refine")
	asset.JobLibrary(stack, "Library")
	cdktest.Synth(t, stack)
	scripts := assets(t, stack, ".py")
	if len(scripts) != 1 {
		t.Fatalf("got scripts %v", scripts)
	}
	got, err := os.ReadFile(scripts[0])
	if err != nil {
		t.Fatal(err)
	}
	want, err := fs.ReadFile(gluescripts.FS, "refine.py")
	if err != nil || string(got) != string(want) {
		t.Errorf("the script differs from its source: %v", err)
	}
	names := entries(t, assets(t, stack, ".zip")[0])
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
		if !strings.HasPrefix(name, "lakejobs/") || strings.Contains(name, "__pycache__") || strings.HasSuffix(name, ".pyc") {
			t.Errorf("the library holds %s", name)
		}
	}
	if !seen["lakejobs/__init__.py"] {
		t.Errorf("lakejobs/__init__.py is missing among %v", names)
	}
}

func TestUnknownJobIsRejected(t *testing.T) {
	stack := cdktest.NewStack(t)
	err := cdktest.Rejected(t, func() { asset.JobScript(stack, "Script", "nope") })
	if err.At != "Test/Script" || !strings.Contains(err.Error(), `no job script "nope"`) {
		t.Errorf("got %v", err)
	}
}

// assets lists the files with an extension that the synthesised app carries.
func assets(tb testing.TB, stack awscdk.Stack, ext string) []string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(*awscdk.App_Of(stack).AssetOutdir(), "asset.*"+ext))
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func entries(tb testing.TB, archive string) []string {
	tb.Helper()
	r, err := zip.OpenReader(archive)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	return names
}

// TestLibrariesOfOthersAreAsPublished holds what jobs bring along to the checksums by which the same is installed here.
func TestLibrariesOfOthersAreAsPublished(t *testing.T) {
	for _, c := range []struct {
		file         asset.Published
		folder, lock string
		ext, holds   string
	}{
		{asset.Deequ, "jars", "jars.lock", ".jar", "com/amazon/deequ/analyzers/Size.class"},
		{asset.PyDeequ, "wheels", "requirements.lock", ".zip", "pydeequ/analyzers.py"},
	} {
		locked, err := os.ReadFile(filepath.Join("..", "..", "..", c.lock))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(locked), c.file.Sum) {
			t.Errorf("%s has not the checksum of %s", c.lock, c.file.Name)
		}
		path := cdktest.Cached(c.folder, c.file.Name)
		var problems check.List
		c.file.Check(&problems, "File", path)
		if err := problems.Err(); err != nil {
			t.Fatalf("%v; make setup fetches it", err)
		}
		stack := cdktest.NewStack(t)
		c.file.Asset(stack, "File", path)
		cdktest.Synth(t, stack)
		found := assets(t, stack, c.ext)
		if len(found) != 1 || !slices.Contains(entries(t, found[0]), c.holds) {
			t.Errorf("%s: %v lacks %s", c.ext, found, c.holds)
		}
	}
}

// TestAnotherFileThanPublishedIsRefused holds that neither a missing nor another file goes to a job.
func TestAnotherFileThanPublishedIsRefused(t *testing.T) {
	other := filepath.Join(t.TempDir(), asset.Deequ.Name)
	if err := os.WriteFile(other, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"": "is missing", other + ".gone": "does not exist", other: "has SHA-256"} {
		var problems check.List
		asset.Deequ.Check(&problems, "Deequ.Jar", file)
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Maven Central") {
			t.Errorf("%q: %v, want %q and where to get it", file, err, want)
		}
	}
}
