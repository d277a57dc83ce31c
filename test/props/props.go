// Package props finds declarations of constructs whose fields no test tries: the structs that users fill in, and the calls of
// cdktest.Effects by which their tests hold that every field changes the template.
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

// declared is what the names of structs that users fill in end with, in the packages of constructs.
var declared = regexp.MustCompile(`^([A-Z]\w*)?(Props|Attributes)$`)

// Untested lists the structs below root, as <package>.<name>, that no test below it hands to cdktest.Effects. What has no
// exported field needs none.
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
			if !ok || !declared.MatchString(spec.Name.Name) {
				continue
			}
			if body, ok := spec.Type.(*ast.StructType); ok && exported(body) {
				found[file.Name.Name+"."+spec.Name.Name] = true
			}
		}
	}
}

func exported(body *ast.StructType) bool {
	return slices.ContainsFunc(body.Fields.List, func(f *ast.Field) bool {
		return len(f.Names) == 0 || slices.ContainsFunc(f.Names, func(n *ast.Ident) bool { return n.IsExported() })
	})
}

// note adds what the functions of a test file hand to Effects: the type of its changes, by a name of the function's own or
// of a package.
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
				if named(n.Fun) != "cdktest.Effects" || len(n.Args) != 4 {
					return true
				}
				if changes, ok := n.Args[3].(*ast.CompositeLit); ok {
					if of, ok := changes.Type.(*ast.IndexExpr); ok {
						name := named(of.Index)
						if meant, ok := aliases[name]; ok {
							name = meant
						}
						tried[name] = true
					}
				}
			}
			return true
		})
	}
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
