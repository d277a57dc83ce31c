package layering_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/test/layering"
)

func TestImportsPointDown(t *testing.T) {
	g := load(t, "../..")
	for _, pkg := range []string{"/constructs/dataset", "/constructs/internal/check", "/test/layering"} {
		if _, ok := g[layering.Module+pkg]; !ok {
			t.Fatalf("the graph lacks %s: it holds %d packages", pkg, len(g))
		}
	}
	for _, v := range layering.Violations(g) {
		t.Error(v)
	}
}

// Each rule finds the import that breaks it, and nothing in a graph that keeps them all.
func TestViolationsAreFound(t *testing.T) {
	const m = layering.Module
	valid := layering.Graph{
		m + "/constructs/dataset":          {"fmt", m + "/constructs/internal/check"},
		m + "/constructs/internal/check":   {"errors"},
		m + "/constructs/internal/asset":   {m + "/glue-scripts", m + "/constructs/internal/asset/gobuild", "github.com/aws/jsii-runtime-go"},
		m + "/constructs/security":         {"github.com/aws/aws-cdk-go/awscdk/v2", m + "/constructs/internal/check"},
		m + "/constructs/storage":          {m + "/constructs/security", m + "/constructs/dataset"},
		m + "/constructs/catalog":          {m + "/constructs/storage", m + "/constructs/internal/conv"},
		m + "/constructs/ingestion":        {m + "/constructs/catalog", m + "/lambda/contract"},
		m + "/constructs/processing":       {m + "/constructs/catalog", m + "/constructs/processing/inner"},
		m + "/constructs/lake":             {m + "/constructs/ingestion", m + "/constructs/processing"},
		m + "/lambda/notice":               {m + "/lambda/internal/inbox", "github.com/aws/aws-lambda-go/lambda"},
		m + "/lambda/internal/inbox":       {m + "/constructs/dataset", m + "/lambda/contract"},
		m + "/lambda/contract":             {"time"},
		m + "/examples/quickstart":         {m + "/constructs/lake", "github.com/aws/aws-cdk-go/awscdk/v2"},
		m + "/glue-scripts":                {"embed"},
		m + "/test/golden":                 {m + "/examples/quickstart"},
		m + "/constructs/internal/handler": {m + "/constructs/internal/check"},
	}
	if got := layering.Violations(valid); len(got) != 0 {
		t.Errorf("the valid graph: %v", got)
	}
	for _, tt := range []struct{ from, to, want string }{
		{"/constructs/dataset", "github.com/aws/jsii-runtime-go", "standard library"},
		{"/constructs/dataset", m + "/constructs/storage", "standard library"},
		{"/constructs/dataset", "golang.org/x/mod/module", "standard library"},
		{"/constructs/internal/check", "github.com/aws/constructs-go/constructs/v10", "standard library"},
		{"/constructs/storage", m + "/constructs/catalog", "storage may not import catalog"},
		{"/constructs/security", m + "/constructs/storage", "security may not import storage"},
		{"/constructs/ingestion", m + "/constructs/processing", "ingestion may not import processing"},
		{"/constructs/processing", m + "/constructs/ingestion", "processing may not import ingestion"},
		{"/constructs/processing", m + "/constructs/lake", "processing may not import lake"},
		{"/constructs/internal/asset", m + "/constructs/security", "internal may not import security"},
		{"/constructs/utils", m + "/constructs/security", "utils is no layer"},
		{"/constructs/lake", m + "/examples/quickstart", "neither examples nor tests"},
		{"/constructs/lake", m + "/lambda/internal/inbox", "lambda/contract only"},
		{"/lambda/notice", "github.com/aws/aws-cdk-go/awscdk/v2", "reaches the CDK"},
		{"/lambda/internal/inbox", m + "/constructs/storage", "declarations"},
		{"/lambda/contract", m + "/constructs/dataset", "standard library only"},
		{"/lambda/contract", "github.com/aws/aws-lambda-go/events", "standard library only"},
		{"/glue-scripts", m + "/constructs/dataset", "only embeds"},
	} {
		g := layering.Graph{}
		for from, imports := range valid {
			g[from] = slices.Clone(imports)
		}
		g[m+tt.from] = append(g[m+tt.from], tt.to)
		got := layering.Violations(g)
		if !slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, tt.want) && strings.Contains(v, tt.from[1:]) }) {
			t.Errorf("%s imports %s: got %v, want %q", tt.from, tt.to, got, tt.want)
		}
	}
	// Not the import itself but what it leads to.
	valid[m+"/constructs/internal/check"] = []string{"github.com/aws/jsii-runtime-go"}
	if got := strings.Join(layering.Violations(valid), "\n"); !strings.Contains(got, "notice imports "+m+"/lambda/internal/inbox imports "+m+"/constructs/dataset imports") {
		t.Errorf("a long way to the CDK: got %s", got)
	}
}

// load reads the imports of every Go file below root, whatever its build tags.
func load(tb testing.TB, root string) layering.Graph {
	tb.Helper()
	g := layering.Graph{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := d.Name()
			if path != root && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || base == "build" || base == "cdk.out" || isModule(path)) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		pkg := layering.Module + "/" + filepath.ToSlash(dir)
		for _, i := range file.Imports {
			to, unquoted := strconv.Unquote(i.Path.Value)
			if unquoted != nil {
				return unquoted
			}
			if to != pkg { // an external test imports its own package
				g[pkg] = append(g[pkg], to)
			}
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
