package gobuild_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/strata-cdk/strata/constructs/internal/asset/gobuild"
)

// A handler that is missing from one of the lists would fail only in an app that imports the library.
func TestEveryHandlerIsListed(t *testing.T) {
	mains, err := filepath.Glob("../../../../lambda/*/main.go")
	must(t, err)
	var inTree []string
	for _, main := range mains {
		inTree = append(inTree, gobuild.Module+"/lambda/"+filepath.Base(filepath.Dir(main)))
	}
	if !slices.Equal(inTree, gobuild.Handlers) {
		t.Errorf("lambda/ holds %v, Handlers %v", inTree, gobuild.Handlers)
	}
	source, err := os.ReadFile("deps.go")
	must(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), "deps.go", source, parser.ImportsOnly)
	must(t, err)
	var imported []string
	for _, i := range file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		must(t, err)
		imported = append(imported, path)
	}
	if !slices.Equal(imported, gobuild.Handlers) {
		t.Errorf("deps.go imports %v, Handlers are %v", imported, gobuild.Handlers)
	}
}
