package asset

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Published is a file that others publish and a job brings along. Whoever synthesises has it: it is no part of this
// module, and a synthesis downloads nothing.
type Published struct {
	// Name is the name of the file, Sum its SHA-256 in hexadecimal digits.
	Name, Sum string
	// Source is where to get it.
	Source string
	stem   string
	ext    string
}

var (
	// Deequ is for --extra-jars.
	Deequ = Published{
		Name: "deequ-2.1.0-spark-3.5.jar", Sum: "ab902814dec56dc39ff16d1c5c80e7101a5dff8c1aa380fdafce522da1cd1546",
		Source: "Maven Central, com.amazon.deequ:deequ:2.1.0-spark-3.5", stem: "deequ-2.1.0-spark-3.5", ext: ".jar",
	}
	// PyDeequ is for --extra-py-files. A wheel of Python alone is an archive that can be imported from; it needs pandas,
	// which Glue has.
	PyDeequ = Published{
		Name: "pydeequ-1.7.0-py3-none-any.whl", Sum: "022ef4f75bdd1a1d1089df6881c44011aa5340f10dd1c326871cece6b7f0923c",
		Source: "pip download --no-deps pydeequ==1.7.0", stem: "pydeequ-1.7.0-py3-none-any", ext: ".zip",
	}
)

// Check reports at path that the file is missing there, or is another one.
func (p Published) Check(l *check.List, path, file string) {
	allowed := fmt.Sprintf("the path of %s (%s)", p.Name, p.Source)
	if file == "" {
		l.Add(path, "is missing", nil, allowed)
		return
	}
	if _, err := p.read(file); err != nil {
		l.Add(path, err.Error(), file, allowed)
	}
}

// Asset is the file at that path, which Check has found to be right.
func (p Published) Asset(scope constructs.Construct, id, file string) awss3assets.Asset {
	content, err := p.read(file)
	return newAsset(scope, id, p.stem, p.ext, content, err)
}

func (p Published) read(file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("does not exist")
	}
	if err != nil {
		return nil, err
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(content)); sum != p.Sum {
		return nil, fmt.Errorf("has SHA-256 %s and not %s", sum, p.Sum)
	}
	return content, nil
}
