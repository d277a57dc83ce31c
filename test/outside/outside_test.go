// Package outside proves that an app of another module can use the library: from a read-only module cache, through a
// file-based module proxy, without Git, without replace directives, and without a network.
package outside

import (
	"archive/zip"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const (
	modulePath = "github.com/strata-cdk/strata"
	version    = "v0.0.1"
)

func TestOutsideModuleSynthesises(t *testing.T) {
	root := repository(t)
	work := t.TempDir()
	proxy := filepath.Join(work, "proxy")
	publish(t, root, proxy)

	app := filepath.Join(work, "app")
	write(t, filepath.Join(app, "main.go"), read(t, "testdata/main.go.txt"))
	write(t, filepath.Join(app, "go.mod"), []byte(goMod(t, root)))

	prefetch(t, root, filepath.Join(work, "prefetch"))
	cache := filepath.Join(work, "modcache")
	t.Cleanup(func() { writable(t, cache) })
	environment := offline(t, work, proxy, cache)
	run(t, app, environment, "go", "mod", "tidy")
	readOnly(t, filepath.Join(cache, modulePath+"@"+version))
	run(t, app, environment, "go", "run", ".")

	template := filepath.Join(app, "cdk.out", "Outside.template.json")
	var stack struct {
		Resources map[string]struct{ Type string }
	}
	if err := json.Unmarshal(read(t, template), &stack); err != nil {
		t.Fatalf("the template of the outside app: %v", err)
	}
	functions := 0
	for _, resource := range stack.Resources {
		if resource.Type == "AWS::Lambda::Function" {
			functions++
		}
	}
	if functions == 0 {
		t.Error("the outside app has no function")
	}
	if zips := bootstraps(t, filepath.Join(app, "cdk.out")); zips != functions {
		t.Errorf("%d function archives hold a compiled bootstrap, want %d", zips, functions)
	}
}

// repository is the root of this checkout.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// publish writes the library's module archive into a file-based module proxy.
func publish(t *testing.T, root, proxy string) {
	t.Helper()
	dir := filepath.Join(proxy, modulePath, "@v")
	write(t, filepath.Join(dir, version+".mod"), read(t, filepath.Join(root, "go.mod")))
	write(t, filepath.Join(dir, version+".info"), []byte(`{"Version":"`+version+`","Time":"2026-01-01T00:00:00Z"}`))
	write(t, filepath.Join(dir, "list"), []byte(version+"\n"))
	out, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	if err := modzip.Create(out, module.Version{Path: modulePath, Version: version}, files(t, root)); err != nil {
		t.Fatalf("module archive: %v", err)
	}
}

// source is one file of the module archive.
type source struct{ path, absolute string }

func (s source) Path() string                 { return s.path }
func (s source) Lstat() (os.FileInfo, error)  { return os.Lstat(s.absolute) }
func (s source) Open() (io.ReadCloser, error) { return os.Open(s.absolute) }

// files lists what a tag of the repository holds: neither generated folders nor modules of their own.
func files(t *testing.T, root string) []modzip.File {
	t.Helper()
	skipped := map[string]bool{".git": true, ".venv": true, ".cache": true, "node_modules": true, "build": true, "tools": true,
		"cdk.out": true, "__pycache__": true, ".pytest_cache": true, ".hypothesis": true, ".ruff_cache": true}
	var found []modzip.File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && skipped[entry.Name()] {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			found = append(found, source{filepath.ToSlash(relative), path})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// prefetch fills this machine's module cache with all that a tidy of the outside app looks at: the tests of dependencies
// too, which building the library does not need. It works on copies, because it writes into go.sum. What is there already
// is not fetched again.
func prefetch(t *testing.T, root, dir string) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum"} {
		write(t, filepath.Join(dir, name), read(t, filepath.Join(root, name)))
	}
	run(t, dir, os.Environ(), "go", "mod", "download", "all")
}

// goMod requires the library at the published version, and the dependencies at the library's own versions.
func goMod(t *testing.T, root string) string {
	t.Helper()
	lines := strings.Split(string(read(t, filepath.Join(root, "go.mod"))), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "module ") {
			lines[i] = "module example.org/outside"
		}
		if strings.HasPrefix(line, "ignore ") {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n") + "\nrequire " + modulePath + " " + version + "\n"
}

// offline is an environment in which modules come only from files and any connection is refused.
func offline(t *testing.T, work, proxy, cache string) []string {
	t.Helper()
	downloads := strings.TrimSpace(run(t, work, os.Environ(), "go", "env", "GOMODCACHE")) + "/cache/download"
	environment := []string{}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case "GOFLAGS", "GOPROXY", "GOMODCACHE", "GOWORK", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy", "CDK_OUTDIR":
		default:
			environment = append(environment, pair)
		}
	}
	return append(environment, "GOPROXY=file://"+proxy+",file://"+downloads, "GOMODCACHE="+cache, "GOSUMDB=off",
		"GOFLAGS=-trimpath", "GOVCS=*:off", "HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9",
		"CDK_OUTDIR=cdk.out")
}

// bootstraps counts the archives under dir that hold a file called bootstrap.
func bootstraps(t *testing.T, dir string) int {
	t.Helper()
	count := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".zip" {
			return err
		}
		archive, err := zip.OpenReader(path)
		if err != nil {
			return err
		}
		for _, file := range archive.File {
			if file.Name == "bootstrap" {
				count++
			}
		}
		return archive.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// run returns the standard output of a command and fails the test with everything it printed.
func run(t *testing.T, dir string, environment []string, name string, arguments ...string) string {
	t.Helper()
	command := exec.Command(name, arguments...)
	command.Dir, command.Env = dir, environment
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(arguments, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readOnly fails unless the module cache holds the library without write permission.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatalf("the library is not in the module cache: %v", err)
	}
	if info.Mode().Perm()&0o222 != 0 {
		t.Errorf("module cache folder has mode %v, want no write permission", info.Mode())
	}
}

// writable lets the test's own clean-up remove the module cache.
func writable(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
