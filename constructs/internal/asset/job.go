package asset

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/asset/gobuild"
	"github.com/strata-cdk/strata/constructs/internal/check"
	gluescripts "github.com/strata-cdk/strata/glue-scripts"
)

// library is the importable package beside the entry scripts.
const library = "lakejobs"

// JobScript is the asset of one entry script: JobScript(scope, "Script", "refine") is refine.py.
func JobScript(scope constructs.Construct, id, name string) awss3assets.Asset {
	content, err := fs.ReadFile(gluescripts.FS, name+".py")
	if err != nil {
		err = fmt.Errorf("there is no job script %q: %w", name, err)
	}
	return newAsset(scope, id, name, ".py", content, err)
}

// JobLibrary is the asset of the package the entry scripts import, as a zip for --extra-py-files. Its bytes depend on
// nothing but the sources.
func JobLibrary(scope constructs.Construct, id string) awss3assets.Asset {
	files, err := sources(gluescripts.FS, library)
	var zipped []byte
	if err == nil {
		zipped, err = gobuild.Zip(files, gobuild.Store)
	}
	return newAsset(scope, id, library, ".zip", zipped, err)
}

func newAsset(scope constructs.Construct, id, stem, ext string, content []byte, err error) awss3assets.Asset {
	var file string
	if err == nil {
		file, err = store(stem, ext, content)
	}
	check.Must(check.Below(*scope.Node().Path(), id), err)
	return awss3assets.NewAsset(scope, jsii.String(id), &awss3assets.AssetProps{Path: jsii.String(file)})
}

// sources lists a Python package without the bytecode and hidden files that a local run leaves behind.
func sources(tree fs.FS, root string) ([]gobuild.File, error) {
	var files []gobuild.File
	err := fs.WalkDir(tree, root, func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "__pycache__" || strings.HasPrefix(base, ".")):
			return fs.SkipDir
		case d.IsDir(), strings.HasPrefix(base, "."), path.Ext(base) == ".pyc":
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		files = append(files, gobuild.File{Name: name, Content: content})
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no source file", root)
	}
	return files, err
}
