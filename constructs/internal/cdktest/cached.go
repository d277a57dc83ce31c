package cdktest

import (
	"path/filepath"
	"runtime"
)

// Cached is the path of a file that `make setup` fetches, by its folder and name below .cache.
func Cached(folder, name string) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", ".cache", folder, name)
}
