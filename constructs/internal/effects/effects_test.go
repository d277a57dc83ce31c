package effects

import (
	"fmt"
	"slices"
	"testing"
)

type size struct{ Width, Height int }

type closed struct{ value int }

type declaration struct {
	size
	Name, Ignored, Needed, Wanted, Unnamed, Missed, Refused string
	Size                                                    size
	Closed                                                  closed
	hidden                                                  int
}

// TestIneffectiveFieldsAreFound renders some fields of a declaration: each of the others is told.
func TestIneffectiveFieldsAreFound(t *testing.T) {
	type p = declaration
	problems := Ineffective(
		func() int { return 7 },
		func(int) p { return p{Needed: "x", Wanted: "x", Unnamed: "x", hidden: 1} },
		func(scope int, d *p) string {
			switch {
			case d.Needed == "":
				panic("Needed: is missing")
			case d.Unnamed == "":
				panic("something is missing")
			case d.Refused != "":
				panic("no")
			}
			return fmt.Sprint(scope, d.Name, d.Needed, d.Size.Width, d.Closed.value, d.Width, d.Height)
		},
		Changes[int, p]{
			"Name": {Do: func(_ int, d *p) { d.Name = "b" }}, "Ignored": {Do: func(_ int, d *p) { d.Ignored = "b" }},
			"Needed": {}, "Wanted": {}, "Unnamed": {}, "Gone": {}, "Refused": {Do: func(_ int, d *p) { d.Refused = "b" }},
			"Size.Width":  {Do: func(_ int, d *p) { d.Size.Width = 2 }},
			"Size.Height": {Given: func(_ int, d *p) { d.Name = "c" }, Do: func(_ int, d *p) { d.Size.Height = 2 }},
			"Closed":      {Do: func(_ int, d *p) { d.Closed.value = 2 }},
		})
	want := []string{
		"Ignored: changes nothing",
		"Missed: no change of it is tried, so nobody would notice that nothing reads it",
		"Refused: its change is refused: no",
		"Size.Height: changes nothing",
		"Unnamed: is left out, and the error does not name it: something is missing",
		"Wanted: is left out, and nothing asks for it",
		"Gone: is no field; they are [Closed Ignored Missed Name Needed Refused Size.Height Size.Width Unnamed Wanted]",
	}
	if !slices.Equal(problems, want) {
		t.Errorf("got %q, want %q", problems, want)
	}
}
