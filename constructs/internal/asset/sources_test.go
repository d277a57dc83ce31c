package asset

import (
	"testing"
	"testing/fstest"
)

func TestSourcesSkipWhatALocalRunLeavesBehind(t *testing.T) {
	tree := fstest.MapFS{}
	for _, name := range []string{"p/__init__.py", "p/a/b.py", "p/a/data.json", "p/__pycache__/a.cpython-311.pyc", "p/a.pyc", "p/.cache/x.py", "p/.hidden", "q/x.py"} {
		tree[name] = &fstest.MapFile{Data: []byte(name)}
	}
	files, err := sources(tree, "p")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	if len(names) != 3 || names[0] != "p/__init__.py" || names[1] != "p/a/b.py" || names[2] != "p/a/data.json" {
		t.Errorf("got %v", names)
	}
	if _, err := sources(tree, "q/none"); err == nil {
		t.Error("a package that is missing was accepted")
	}
	if _, err := sources(fstest.MapFS{"e/.keep": &fstest.MapFile{}}, "e"); err == nil {
		t.Error("an empty package was accepted")
	}
}
