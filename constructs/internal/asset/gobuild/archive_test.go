package gobuild_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/strata-cdk/strata/constructs/internal/asset/gobuild"
)

func TestZipDependsOnNothingButTheFiles(t *testing.T) {
	a, b := gobuild.File{Name: "a.py", Content: []byte("a")}, gobuild.File{Name: "b.py", Content: []byte("b")}
	for _, compression := range []gobuild.Compression{gobuild.Store, gobuild.Compress} {
		files := []gobuild.File{b, a}
		one, err := gobuild.Zip(files, compression)
		must(t, err)
		two, err := gobuild.Zip([]gobuild.File{a, b}, compression)
		must(t, err)
		if !bytes.Equal(one, two) {
			t.Error("the order of files shows in the archive")
		}
		if files[0].Name != "b.py" {
			t.Error("the caller's list was sorted")
		}
		other, err := gobuild.Zip([]gobuild.File{a, {Name: "b.py", Content: []byte("c")}}, compression)
		must(t, err)
		if bytes.Equal(one, other) {
			t.Error("other content gave the same archive")
		}
	}
}

func TestWriteFileReplacesInOneStep(t *testing.T) {
	target := filepath.Join(t.TempDir(), "new", "x.zip")
	for _, content := range []string{"first", "second"} {
		must(t, gobuild.WriteFile(target, []byte(content)))
		got, err := os.ReadFile(target)
		must(t, err)
		if string(got) != content {
			t.Errorf("got %q", got)
		}
	}
	left, err := os.ReadDir(filepath.Dir(target))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCacheDirWithoutHome(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := gobuild.CacheDir()
	must(t, err)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v", dir, info, err)
	}
}
