// Package gobuild compiles Go Lambda handlers at synth time from their import paths, without Docker, and packs them
// into reproducible archives. It is plain Go.
package gobuild

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Error is a build that failed.
type Error struct {
	// ImportPaths are the packages that were to be built.
	ImportPaths []string
	// Output is what the go command printed. Empty when it could not be started.
	Output string
	// Hint says how to mend it.
	Hint string
	// Err is the cause.
	Err error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("cannot build the Lambda handlers %s: %v", strings.Join(e.ImportPaths, ", "), e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	if e.Output != "" {
		s += "\n" + e.Output
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Builder compiles handlers and remembers what it built.
type Builder struct {
	// Dir is where the go command runs; it must lie in a module or workspace that provides the handlers.
	// Default: the working directory.
	Dir string
	// Cache is the directory for archives, named by their content.
	// Default: see CacheDir.
	Cache string
	// Together are import paths that are compiled in one go command as soon as one of them is asked for.
	Together []string
	// Env is added to the environment of the go command.
	Env []string
	// Progress is told when a build takes longer than Patience: the first one compiles what all handlers share.
	// Default: nobody is told.
	Progress io.Writer
	Patience time.Duration

	mu    sync.Mutex
	built map[string]string
}

// Archive returns the path of a zip that holds the handler as "bootstrap", for linux/arm64. Equal sources give equal
// bytes. Every failure is an *Error.
func (b *Builder) Archive(importPath string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if zip, ok := b.built[importPath]; ok {
		return zip, nil
	}
	paths := []string{importPath}
	if slices.Contains(b.Together, importPath) {
		paths = b.Together
	}
	if err := b.build(paths); err != nil {
		var failed *Error
		if !errors.As(err, &failed) {
			err = &Error{ImportPaths: paths, Err: err}
		}
		return "", err
	}
	return b.built[importPath], nil
}

func (b *Builder) build(paths []string) error {
	tmp, err := os.MkdirTemp("", "strata-gobuild-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := b.compile(tmp, paths); err != nil {
		return err
	}
	for _, p := range paths {
		zip, err := b.pack(filepath.Join(tmp, path.Base(p)))
		if err != nil {
			return err
		}
		if b.built == nil {
			b.built = map[string]string{}
		}
		b.built[p] = zip
	}
	return nil
}

func (b *Builder) compile(out string, paths []string) error {
	// No -mod flag: the default honours a vendor directory and never changes go.mod. GOFLAGS stays the user's own.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-tags=lambda.norpc", "-ldflags=-s -w -buildid=",
		"-o", out + string(filepath.Separator)}
	cmd := exec.Command("go", append(args, paths...)...)
	cmd.Dir = b.Dir
	cmd.Env = append(os.Environ(), b.Env...)
	cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH=arm64", "GOARM64=v8.0", "CGO_ENABLED=0")
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := b.run(cmd, len(paths))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return &Error{ImportPaths: paths, Err: err, Hint: "put the go command on PATH: handlers are compiled at synth"}
	}
	return &Error{ImportPaths: paths, Err: err, Output: strings.TrimSpace(printed.String()), Hint: hint(printed.String())}
}

func (b *Builder) run(cmd *exec.Cmd, handlers int) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Run() }()
	select {
	case err := <-done:
		return err
	case <-time.After(b.Patience):
	}
	if b.Progress != nil {
		_, _ = fmt.Fprintf(b.Progress, "building %d Lambda handlers for linux/arm64; the first build takes about a minute\n", handlers)
	}
	return <-done
}

func hint(output string) string {
	switch {
	case strings.Contains(output, "go.mod file not found"), strings.Contains(output, "cannot find main module"):
		return "run the synth inside the Go module of your app"
	case strings.Contains(output, "missing go.sum entry"), strings.Contains(output, "no required module provides"):
		return "run go mod tidy in your app"
	case strings.Contains(output, "inconsistent vendoring"):
		return "run go mod vendor in your app"
	}
	return ""
}

// pack names the archive by the binary and the compressor's version, so an archive made before is taken as it is.
func (b *Builder) pack(binary string) (string, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%x.zip", filepath.Base(binary), sha256.Sum256(append([]byte(runtime.Version()+"\n"), content...)))
	dir := b.Cache
	if dir == "" {
		if dir, err = CacheDir(); err != nil {
			return "", err
		}
	}
	target := filepath.Join(dir, name)
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	zipped, err := Zip([]File{{Name: "bootstrap", Content: content, Executable: true}}, Compress)
	if err != nil {
		return "", err
	}
	return target, WriteFile(target, zipped)
}
