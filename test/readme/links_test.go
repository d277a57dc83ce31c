package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fence   = regexp.MustCompile("(?s)```.*?```")
)

// anchors are the headings of a page as links name them.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		found[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])] = true
	}
	return found
}

// broken are the links of a page that lead nowhere. Addresses of the web are taken as they are.
func broken(folder, page string, load func(path string) (string, error)) (bad []string) {
	for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		path, anchor, _ := strings.Cut(match[1], "#")
		if strings.Contains(match[1], "://") {
			continue
		}
		target := page
		if path != "" {
			var err error
			if target, err = load(filepath.Join(folder, path)); err != nil {
				bad = append(bad, match[1])
				continue
			}
		}
		if anchor != "" && !anchors(target)[anchor] {
			bad = append(bad, match[1])
		}
	}
	return bad
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 6 {
		t.Fatalf("pages %v, %v", pages, err)
	}
	load := func(path string) (string, error) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return "", nil
		}
		text, err := os.ReadFile(path)
		return string(text), err
	}
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md", "../../rehearsal/README.md", "../../docs/decisions/README.md") {
		for _, bad := range broken(filepath.Dir(page), read(t, page), load) {
			t.Errorf("%s: the link %s leads nowhere", page, bad)
		}
	}
}

func TestBrokenLinksAreFound(t *testing.T) {
	page := "# A `b` (c)\n[x](#a-b-c) [y](#a-b) [z](gone.md) [w](https://example.org/#q)\n```\n[no](link)\n```\n"
	load := func(string) (string, error) { return "", os.ErrNotExist }
	if got := strings.Join(broken(".", page, load), " "); got != "#a-b gone.md" {
		t.Errorf("got %q", got)
	}
}
