// Package effects finds fields of declarations that nothing reads: it tries a change of each and looks whether what is made
// of the declaration changes with it.
package effects

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// module is what the paths of this module's packages begin with.
const module = "github.com/strata-cdk/strata/"

// Change is what is tried with one field: Do alters it. Given comes before it, and for what is made without it as well,
// where the field has a meaning only beside others. Without Do the field has to be given.
type Change[S, P any] struct {
	Given, Do func(scope S, props *P)
}

// Changes are changes by the path of the field that they are about, such as "Buffer.Size"; fields of embedded structs go by
// their own names.
type Changes[S, P any] map[string]Change[S, P]

// Ineffective tells of each exported field of P that no change is tried of, whose change gives the same text as base does, or
// that is left out without an error that names it. Fields of structs of this module are fields of their own, unless all of
// theirs are hidden. A refusal is a panic of render.
func Ineffective[S, P any](scope func() S, base func(S) P, render func(S, *P) string, changes Changes[S, P]) (problems []string) {
	tell := func(path, format string, args ...any) {
		problems = append(problems, path+": "+fmt.Sprintf(format, args...))
	}
	with := func(changes ...func(S, *P)) string {
		s := scope()
		props := base(s)
		for _, change := range changes {
			if change != nil {
				change(s, &props)
			}
		}
		return render(s, &props)
	}
	fields := map[string][]int{}
	leaves(reflect.TypeFor[P](), "", nil, fields)
	plain := with()
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		change, known := changes[path]
		switch {
		case !known:
			tell(path, "no change of it is tried, so nobody would notice that nothing reads it")
		case change.Do != nil:
			without := plain
			if change.Given != nil {
				without = with(change.Given)
			}
			text, refusal := attempt(func() string { return with(change.Given, change.Do) })
			if refusal != nil {
				tell(path, "its change is refused: %v", refusal)
			} else if text == without {
				tell(path, "changes nothing")
			}
		default:
			clear := func(_ S, props *P) { reflect.ValueOf(props).Elem().FieldByIndex(fields[path]).SetZero() }
			if _, refusal := attempt(func() string { return with(clear) }); refusal == nil {
				tell(path, "is left out, and nothing asks for it")
			} else if !strings.Contains(fmt.Sprint(refusal), path) {
				tell(path, "is left out, and the error does not name it: %v", refusal)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(changes)) {
		if fields[path] == nil {
			tell(path, "is no field; they are %v", slices.Sorted(maps.Keys(fields)))
		}
	}
	return problems
}

// attempt is what text returns, or what it panics with.
func attempt(text func() string) (got string, refusal any) {
	defer func() { refusal = recover() }()
	return text(), nil
}

// leaves finds the exported fields below a struct of this module, by path.
func leaves(of reflect.Type, path string, index []int, found map[string][]int) {
	for i := range of.NumField() {
		f := of.Field(i)
		if !f.IsExported() {
			continue
		}
		at, name := append(slices.Clone(index), i), path+f.Name
		switch {
		case f.Type.Kind() == reflect.Struct && f.Anonymous:
			leaves(f.Type, path, at, found)
		case f.Type.Kind() == reflect.Struct && strings.HasPrefix(f.Type.PkgPath(), module) && open(f.Type):
			leaves(f.Type, name+".", at, found)
		default:
			found[name] = at
		}
	}
}

// open says whether a struct has exported fields.
func open(of reflect.Type) bool {
	return slices.ContainsFunc(reflect.VisibleFields(of), func(f reflect.StructField) bool { return f.IsExported() })
}
