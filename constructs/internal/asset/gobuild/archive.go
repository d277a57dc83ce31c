package gobuild

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is one entry of an archive.
type File struct {
	Name       string
	Content    []byte
	Executable bool
}

// Compression says whether an archive's entries are compressed.
type Compression bool

const (
	// Compress makes small archives; their bytes depend on the version of Go that packs them.
	Compress Compression = true
	// Store makes archives whose bytes depend on nothing but the files.
	Store Compression = false
)

// Zip packs files, sorted by name, with modification times at zero: equal files give equal bytes.
func Zip(files []File, compression Compression) ([]byte, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.Name, Method: zip.Store}
		if compression == Compress {
			h.Method = zip.Deflate
		}
		h.SetMode(0o644)
		if f.Executable {
			h.SetMode(0o755)
		}
		entry, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(f.Content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// CacheDir is a directory of the current user for files named by their content: the user's cache directory, or, where
// there is none, one below the temporary directory. The CDK copies assets from it into the cloud assembly.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	name := "strata-assets"
	if err != nil {
		base, name = os.TempDir(), fmt.Sprintf("%s-%d", name, os.Getuid())
	}
	dir := filepath.Join(base, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// WriteFile writes a file in one step, so that a concurrent synth never sees half of it.
func WriteFile(target string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(target), ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when all went well
	_, err = tmp.Write(content)
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), target)
	}
	return err
}
