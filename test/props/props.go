// Package props finds declarations whose fields no test tries: the structs that users fill in, and the calls of
// cdktest.Effects and effects.Ineffective by which tests hold that every field changes what is made of them.
package props

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// declared are the structs that users fill in, by <package>.<name>: props and attributes of constructs, and the parts of a
// dataset's declaration that are no fields of dataset.Spec.
var declared = regexp.MustCompile(`^(\w+\.([A-Z]\w*)?(Props|Attributes)|dataset\.(Spec|Column|\w*CSV|\w*JSON|DMS))$`)

// Untested lists the declared structs below root that no test below it tries. What has no exported field needs none.
func Untested(root string) ([]string, error) {
	found, tried := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		if entry.IsDir() || strings.Contains(path, "/internal/") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if strings.HasSuffix(path, "_test.go") {
			note(file, tried)
			return nil
		}
		structs(file, found)
		return nil
	})
	var untested []string
	for name := range found {
		if !tried[name] {
			untested = append(untested, name)
		}
	}
	slices.Sort(untested)
	return untested, err
}

// structs adds the structs with exported fields that a file declares for users.
func structs(file *ast.File, found map[string]bool) {
	for _, d := range file.Decls {
		general, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range general.Specs {
			spec, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			name := file.Name.Name + "." + spec.Name.Name
			if body, ok := spec.Type.(*ast.StructType); ok && ast.IsExported(spec.Name.Name) && declared.MatchString(name) && exported(body) {
				found[name] = true
			}
		}
	}
}

func exported(body *ast.StructType) bool {
	return slices.ContainsFunc(body.Fields.List, func(f *ast.Field) bool {
		return len(f.Names) == 0 || slices.ContainsFunc(f.Names, func(n *ast.Ident) bool { return n.IsExported() })
	})
}

// note adds what the functions of a test file try: the type of the changes, by a name of the function's own or of a package.
func note(file *ast.File, tried map[string]bool) {
	for _, d := range file.Decls {
		function, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		aliases := map[string]string{}
		ast.Inspect(function, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if n.Assign.IsValid() {
					aliases[n.Name.Name] = named(n.Type)
				}
			case *ast.CallExpr:
				if called := named(n.Fun); called != "cdktest.Effects" && called != "effects.Ineffective" || len(n.Args) != 4 {
					return true
				}
				name := changed(n.Args[3])
				if meant, ok := aliases[name]; ok {
					name = meant
				}
				tried[name] = true
			}
			return true
		})
	}
}

// changed is the type that a literal of changes is about: the last one in its brackets.
func changed(e ast.Expr) string {
	literal, ok := e.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	switch of := literal.Type.(type) {
	case *ast.IndexExpr:
		return named(of.Index)
	case *ast.IndexListExpr:
		return named(of.Indices[len(of.Indices)-1])
	}
	return ""
}

// named is a name, with its package if it has one; empty for any other expression.
func named(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return named(e.X) + "." + e.Sel.Name
	}
	return ""
}
