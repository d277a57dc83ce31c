package props_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/strata-cdk/strata/test/props"
)

// TestEveryPropIsTried holds that no prop of a construct can be one that nothing reads.
func TestEveryPropIsTried(t *testing.T) {
	untested, err := props.Untested("../../constructs")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range untested {
		t.Errorf("%s: no test hands it to cdktest.Effects", name)
	}
}

// TestUntestedIsFound holds that the search finds what no test tries, and counts what one does.
func TestUntestedIsFound(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"a/a.go": "package a\ntype OneProps struct{ X int }\ntype TwoProps struct{ X int }\ntype ThreeProps struct{ X, y int }\n" +
			"type hiddenProps struct{ X int }\ntype NoneProps struct{ x int }\ntype Other struct{ X int }\ntype Attributes struct{ X int }\n",
		"dataset/d.go":      "package dataset\ntype Spec struct{ X int }\ntype CSV struct{ X int }\ntype Parquet struct{}\ntype Entry struct{ X int }\n",
		"dataset/d_test.go": "package dataset_test\nfunc TestSpec(t *T) {\n\teffects.Ineffective(nil, nil, nil, effects.Changes[int, dataset.Spec]{})\n}\n",
		"a/internal/b/b.go": "package b\ntype InnerProps struct{ X int }\n",
		"a/a_test.go": "package a_test\nfunc TestOne(t *T) {\n\ttype props = a.OneProps\n\tcdktest.Effects(t, nil, nil, cdktest.Changes[props]{})\n}\n" +
			"func TestTwo(t *T) {\n\tcdktest.Effects(t, nil, nil, cdktest.Changes[a.TwoProps]{})\n\tother.Effects(t, nil, nil, cdktest.Changes[a.ThreeProps]{})\n}\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := props.Untested(root)
	if want := []string{"a.Attributes", "a.ThreeProps", "dataset.CSV"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
