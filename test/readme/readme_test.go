// Package readme holds README, deploy guide and runbook to the code: snippets are parts of files that compile, names and
// requests exist, costs are those of the template and add up.
package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var snippet = regexp.MustCompile("(?s)<!-- snippet: (\\S+) -->\n```go\n(.*?)```")

// stray lists the snippets of a text that are not part of the file they name.
func stray(text string, read func(string) (string, error)) []string {
	var found []string
	for _, match := range snippet.FindAllStringSubmatch(text, -1) {
		source, err := read(match[1])
		if err != nil || !strings.Contains(source, match[2]) {
			found = append(found, match[1])
		}
	}
	return found
}

func TestSnippetsAreParts(t *testing.T) {
	root := "../.."
	for _, page := range []string{"README.md", "docs/deploy.md", "docs/quality.md"} {
		text := read(t, filepath.Join(root, page))
		fences := strings.Count(text, "```go")
		if named := len(snippet.FindAllString(text, -1)); named != fences || named == 0 {
			t.Errorf("%s: %d of %d Go snippets name their file", page, named, fences)
		}
		file := func(path string) (string, error) {
			source, err := os.ReadFile(filepath.Join(root, path))
			return string(source), err
		}
		for _, path := range stray(text, file) {
			t.Errorf("%s: the snippet of %s is not a part of that file; copy it again", page, path)
		}
	}
}

func TestStraySnippetIsFound(t *testing.T) {
	text := "<!-- snippet: a.go -->\n```go\nfunc f() {}\n```"
	read := func(string) (string, error) { return "func g() {}\n", nil }
	if got := stray(text, read); len(got) != 1 {
		t.Errorf("a snippet that differs from its file is not found: %v", got)
	}
}
