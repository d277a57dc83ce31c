package cdktest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
)

// module is what the paths of this module's packages begin with.
const module = "github.com/strata-cdk/strata/"

// Change is what Effects tries with one field: Do alters it. Given comes before it, and for the template without it as
// well, where the field has a meaning only beside others. Without Do the field has to be given.
type Change[P any] struct {
	Given, Do func(stack awscdk.Stack, props *P)
}

// Changes are changes by the path of the field that they are about, such as "Buffer.Size"; fields of embedded structs go by
// their own names.
type Changes[P any] map[string]Change[P]

// Effects holds that every exported field of props is read: each change gives another template than base does, and what
// has to be given is asked for. Base makes small props in a stack in which data may be deleted; build makes the construct of
// them. Fields of structs of this module are fields of their own. The package test/props holds that each such type P of
// constructs is handed to it.
func Effects[P any](t *testing.T, base func(awscdk.Stack) P, build func(awscdk.Stack, *P), changes Changes[P]) {
	t.Helper()
	for _, problem := range ineffective(t, base, build, changes) {
		t.Error(problem)
	}
}

// ineffective tells what Effects reports.
func ineffective[P any](t *testing.T, base func(awscdk.Stack) P, build func(awscdk.Stack, *P), changes Changes[P]) (problems []string) {
	t.Helper()
	tell := func(path, format string, args ...any) {
		problems = append(problems, path+": "+fmt.Sprintf(format, args...))
	}
	render := func(changes ...func(awscdk.Stack, *P)) string {
		stack := NewStackWith(t, map[string]any{"strata:allow-deletion": true})
		props := base(stack)
		for _, change := range changes {
			if change != nil {
				change(stack, &props)
			}
		}
		build(stack, &props)
		return JSON(Synth(t, stack))
	}
	fields := map[string][]int{}
	leaves(reflect.TypeFor[P](), "", nil, fields)
	plain := render()
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		change, known := changes[path]
		switch {
		case !known:
			tell(path, "no change of it is tried, so nobody would notice that nothing reads it")
		case change.Do != nil:
			without := plain
			if change.Given != nil {
				without = render(change.Given)
			}
			text, refusal := attempt(func() string { return render(change.Given, change.Do) })
			if refusal != nil {
				tell(path, "its change is refused: %v", refusal)
			} else if text == without {
				tell(path, "changes nothing")
			}
		default:
			stack := NewStack(t)
			props := base(stack)
			reflect.ValueOf(&props).Elem().FieldByIndex(fields[path]).SetZero()
			if _, refusal := attempt(func() string { build(stack, &props); return "" }); refusal == nil {
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
func attempt(text func() string) (got string, refused any) {
	defer func() { refused = recover() }()
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
		case f.Type.Kind() == reflect.Struct && strings.HasPrefix(f.Type.PkgPath(), module):
			leaves(f.Type, name+".", at, found)
		default:
			found[name] = at
		}
	}
}
