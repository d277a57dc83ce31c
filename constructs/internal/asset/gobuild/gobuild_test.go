package gobuild_test

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/strata-cdk/strata/constructs/internal/asset/gobuild"
)

const library = "example.com/library"

// A library with two handlers, one of which needs a module that nothing else imports. The file under a build tag is
// what deps.go is in this module.
var librarySources = map[string]string{
	"go.mod":                "module example.com/library\n\ngo 1.26\n\nrequire example.com/sdk v1.0.0\n",
	"assets/assets.go":      "package assets\n",
	"assets/deps.go":        "//go:build handler_deps\n\npackage assets\n\nimport (\n\t_ \"example.com/library/lambda/one\"\n\t_ \"example.com/library/lambda/two\"\n)\n",
	"lambda/one/main.go":    "package main\n\nimport \"example.com/sdk\"\n\nfunc main() { println(sdk.Name) }\n",
	"lambda/two/main.go":    "package main\n\nfunc main() { println(\"two\") }\n",
	"lambda/broken/main.go": "package main\n\nfunc main() { undefined() }\n",
}

var sdkSources = map[string]string{
	"go.mod": "module example.com/sdk\n\ngo 1.26\n",
	"sdk.go": "package sdk\n\nconst Name = \"sdk\"\n",
}

// world is a place with an app, a library it imports, and a file proxy instead of the network.
type world struct {
	tb    testing.TB
	root  string
	env   []string
	paths map[string]string // import path of a module → its folder
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{tb: tb, root: tb.TempDir(), paths: map[string]string{}}
	w.write("library", librarySources)
	w.write("sdk", sdkSources)
	w.write("app", map[string]string{
		"go.mod":  "module example.com/app\n\ngo 1.26\n\nrequire example.com/library v1.0.0\n\nrequire example.com/sdk v1.0.0 // indirect\n",
		"main.go": "package main\n\nimport _ \"example.com/library/assets\"\n\nfunc main() {}\n",
	})
	proxy := filepath.Join(w.root, "proxy")
	cache := filepath.Join(w.root, "modcache")
	w.env = []string{"GOPROXY=file://" + proxy, "GOSUMDB=off", "GOFLAGS=", "GOWORK=", "GOMODCACHE=" + cache, "GOTOOLCHAIN=local"}
	w.publish(proxy, library, "library")
	w.publish(proxy, "example.com/sdk", "sdk")
	tb.Cleanup(func() { // the module cache is read-only
		cmd := exec.Command("go", "clean", "-modcache")
		cmd.Env = append(os.Environ(), w.env...)
		_ = cmd.Run()
	})
	return w
}

func (w *world) dir(name string) string { return filepath.Join(w.root, name) }

func (w *world) write(dir string, files map[string]string) {
	w.tb.Helper()
	for name, content := range files {
		target := filepath.Join(w.root, dir, name)
		must(w.tb, os.MkdirAll(filepath.Dir(target), 0o755))
		must(w.tb, os.WriteFile(target, []byte(content), 0o644))
	}
}

func (w *world) publish(proxy, path, dir string) {
	w.tb.Helper()
	at := filepath.Join(proxy, path, "@v")
	must(w.tb, os.MkdirAll(at, 0o755))
	f, err := os.Create(filepath.Join(at, "v1.0.0.zip"))
	must(w.tb, err)
	must(w.tb, modzip.CreateFromDir(f, module.Version{Path: path, Version: "v1.0.0"}, w.dir(dir)))
	must(w.tb, f.Close())
	mod, err := os.ReadFile(filepath.Join(w.dir(dir), "go.mod"))
	must(w.tb, err)
	must(w.tb, os.WriteFile(filepath.Join(at, "v1.0.0.mod"), mod, 0o644))
	must(w.tb, os.WriteFile(filepath.Join(at, "v1.0.0.info"), []byte(`{"Version":"v1.0.0"}`), 0o644))
	must(w.tb, os.WriteFile(filepath.Join(at, "list"), []byte("v1.0.0\n"), 0o644))
}

func (w *world) run(args ...string) {
	w.tb.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = w.dir("app")
	cmd.Env = append(os.Environ(), w.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.tb.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (w *world) builder(env ...string) *gobuild.Builder {
	return &gobuild.Builder{
		Dir: w.dir("app"), Cache: filepath.Join(w.tb.TempDir(), "cache"), Env: append(append([]string{}, w.env...), env...),
		Together: []string{library + "/lambda/one", library + "/lambda/two"},
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// content checks the archive's shape and returns its bytes.
func content(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	must(tb, err)
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	must(tb, err)
	if len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode().Perm() != 0o755 {
		tb.Fatalf("the archive holds %+v", r.File)
	}
	if date := r.File[0].ModifiedDate; date != 0 {
		tb.Errorf("the archive has a modification date %d", date)
	}
	f, err := r.File[0].Open()
	must(tb, err)
	binary, err := io.ReadAll(f)
	must(tb, err)
	program, err := elf.NewFile(bytes.NewReader(binary))
	must(tb, err)
	if program.Machine != elf.EM_AARCH64 {
		tb.Errorf("built for %v", program.Machine)
	}
	return b
}

// However the app provides the library, the handlers build without the network, leave go.mod alone, and come out the same
// wherever the app lies.
func TestHandlersBuildHoweverTheLibraryIsProvided(t *testing.T) {
	for name, provide := range map[string]func(w *world) (env []string){
		"module cache": func(w *world) []string { return nil },
		"vendor":       func(w *world) []string { w.run("mod", "vendor"); return []string{"GOMODCACHE=" + w.dir("empty")} },
		"replace":      func(w *world) []string { w.run("mod", "edit", "-replace", library+"=../library"); return nil },
		"workspace": func(w *world) []string {
			w.write(".", map[string]string{"go.work": "go 1.26\n\nuse (\n\t./app\n\t./library\n)\n"})
			return []string{"GOWORK=" + w.dir("go.work")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var archives [][]byte
			for range 2 {
				w := newWorld(t)
				w.run("mod", "tidy")
				b := w.builder(append(provide(w), "GOPROXY=off")...)
				before, err := os.ReadFile(filepath.Join(w.dir("app"), "go.mod"))
				must(t, err)
				path, err := b.Archive(library + "/lambda/one")
				must(t, err)
				archives = append(archives, content(t, path))
				after, err := os.ReadFile(filepath.Join(w.dir("app"), "go.mod"))
				must(t, err)
				if !bytes.Equal(before, after) {
					t.Error("the build changed go.mod")
				}
			}
			if !bytes.Equal(archives[0], archives[1]) {
				t.Error("an app in another folder gives other bytes")
			}
		})
	}
}

func TestHandlersAreBuiltTogetherAndOnce(t *testing.T) {
	w := newWorld(t)
	w.run("mod", "tidy")
	b := w.builder()
	one, err := b.Archive(library + "/lambda/one")
	must(t, err)
	b.Env = append(b.Env, "PATH=") // no go command any more
	two, err := b.Archive(library + "/lambda/two")
	must(t, err)
	if bytes.Equal(content(t, one), content(t, two)) || filepath.Base(one)[:4] != "one-" || filepath.Base(two)[:4] != "two-" {
		t.Errorf("got %s and %s", one, two)
	}
	again := w.builder()
	again.Cache = b.Cache
	path, err := again.Archive(library + "/lambda/one")
	must(t, err)
	if path != one {
		t.Errorf("a second build gave %s, the first %s", path, one)
	}
}

func TestFailedBuildsTellWhy(t *testing.T) {
	w := newWorld(t)
	w.run("mod", "tidy")
	outside := w.builder()
	outside.Dir = t.TempDir()
	untidy := w.builder()
	untidy.Dir = w.dir("untidy")
	w.write("untidy", map[string]string{"go.mod": "module example.com/untidy\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"})
	for name, tt := range map[string]struct {
		builder    *gobuild.Builder
		importPath string
		want       []string
	}{
		"compiler":   {w.builder(), library + "/lambda/broken", []string{"cannot build the Lambda handlers example.com/library/lambda/broken", "undefined: undefined"}},
		"no package": {w.builder(), library + "/lambda/none", []string{"lambda/none"}},
		"no module":  {outside, library + "/lambda/one", []string{"run the synth inside the Go module of your app"}},
		"untidy":     {untidy, library + "/lambda/one", []string{"run go mod tidy in your app"}},
	} {
		_, err := tt.builder.Archive(tt.importPath)
		var failed *gobuild.Error
		if !errors.As(err, &failed) || failed.Output == "" {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want %q in %v", name, want, err)
			}
		}
	}
}

func TestMissingGoCommandIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := (&gobuild.Builder{}).Archive(library + "/lambda/one")
	if err == nil || !strings.Contains(err.Error(), "put the go command on PATH") {
		t.Errorf("got %v", err)
	}
}

func TestSlowBuildsSaySo(t *testing.T) {
	bin := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\n/bin/sleep 0.3\nexit 1\n"), 0o755))
	t.Setenv("PATH", bin)
	for patience, want := range map[time.Duration]string{time.Millisecond: "building 1 Lambda handlers", time.Hour: ""} {
		var told bytes.Buffer
		b := &gobuild.Builder{Progress: &told, Patience: patience}
		if _, err := b.Archive(library + "/lambda/one"); err == nil {
			t.Fatal("a go command that fails was taken for a build")
		}
		if got := told.String(); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("patience %v: told %q", patience, got)
		}
	}
}
