// Package asset packs what the library ships into CDK assets: Go Lambdas, compiled at synth from their import paths,
// and the PySpark jobs, which are embedded in the library.
package asset

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/asset/gobuild"
	"github.com/strata-cdk/strata/constructs/internal/check"
)

// ImportPathKey is the key in a function's CloudFormation Metadata that holds the import path of its handler, so that
// the rehearsal can build the same source for the host.
const ImportPathKey = "strata:go-import-path"

var builder = &gobuild.Builder{Together: gobuild.Handlers, Progress: os.Stderr, Patience: 3 * time.Second}

// Handler is the import path of one of the library's own handlers: Handler("notice").
func Handler(name string) string { return gobuild.Module + "/lambda/" + name }

// NewFunction makes a function on arm64 and provided.al2023 from a Go main package, and writes its import path into the
// function's Metadata. Runtime, Architecture, Handler and Code of props are set here; the rest is the caller's.
//
// All handlers of the library are compiled in one go command when the first is asked for. Where the CDK skips bundling
// (context aws:cdk:bundling-stacks), nothing is compiled and the code is a placeholder. It panics with a *check.Error
// that carries the compiler's output when a build fails.
func NewFunction(scope constructs.Construct, id, importPath string, props *awslambda.FunctionProps) awslambda.Function {
	var p awslambda.FunctionProps
	if props != nil {
		p = *props
	}
	p.Runtime = awslambda.Runtime_PROVIDED_AL2023()
	p.Architecture = awslambda.Architecture_ARM_64()
	p.Handler = jsii.String("bootstrap")
	p.Code = awslambda.Code_FromAsset(jsii.String(archive(scope, id, importPath)), nil)
	function := awslambda.NewFunction(scope, jsii.String(id), &p)
	function.Node().DefaultChild().(awscdk.CfnResource).AddMetadata(jsii.String(ImportPathKey), jsii.String(importPath))
	return function
}

func archive(scope constructs.Construct, id, importPath string) string {
	var path string
	var err error
	if *awscdk.Stack_Of(scope).BundlingRequired() {
		path, err = builder.Archive(importPath)
	} else {
		path, err = placeholder(importPath)
	}
	check.Must(check.Below(*scope.Node().Path(), id), err)
	return path
}

func placeholder(importPath string) (string, error) {
	zipped, err := gobuild.Zip([]gobuild.File{{Name: "bootstrap", Content: []byte(importPath + "\n"), Executable: true}}, gobuild.Store)
	if err != nil {
		return "", err
	}
	return store("placeholder", ".zip", zipped)
}

// store keeps content in the cache under a name derived from it.
func store(stem, ext string, content []byte) (string, error) {
	dir, err := gobuild.CacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%x%s", stem, sha256.Sum256(content), ext))
	return path, gobuild.WriteFile(path, content)
}
