package bodkin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEverythingExportedIsDocumented holds each package to one package comment, and each exported name to a comment. The
// methods that errors and values have by convention explain themselves.
//
// Seen to fail: with the comment of a function removed, with a package comment removed, and with two of them.
func TestEverythingExportedIsDocumented(t *testing.T) {
	comments := map[string][]string{} // package folder -> files with a package comment
	eachSource(t, func(path string) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if _, seen := comments[pkg]; !seen {
			comments[pkg] = nil
		}
		if file.Doc != nil {
			comments[pkg] = append(comments[pkg], path)
		}
		for _, decl := range file.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no doc comment", fset.Position(name.Pos()), name.Name)
			}
		}
	})
	for pkg, files := range comments {
		if len(files) != 1 {
			t.Errorf("%s: want one package comment, got %d: %v", pkg, len(files), files)
		}
	}
}

// undocumented lists the exported names that decl introduces without a comment on them or on their group.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		conventional := decl.Recv != nil && slices.Contains([]string{"Error", "String", "Unwrap"}, decl.Name.Name)
		if decl.Name.IsExported() && decl.Doc == nil && receiverIsExported(decl) && !conventional {
			return []*ast.Ident{decl.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && spec.Doc == nil && decl.Doc == nil {
					names = append(names, spec.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() && spec.Doc == nil && spec.Comment == nil && decl.Doc == nil && !namedByNeighbour(decl, name.Name) {
						names = append(names, name)
					}
				}
			}
		}
		return names
	}
	return nil
}

// namedByNeighbour tells whether the comment of another value in the group speaks of name too: "A and B are ...".
func namedByNeighbour(group *ast.GenDecl, name string) bool {
	return slices.ContainsFunc(group.Specs, func(spec ast.Spec) bool {
		value, ok := spec.(*ast.ValueSpec)
		return ok && strings.Contains(value.Doc.Text(), name)
	})
}

// receiverIsExported tells whether decl is a function, or a method that documentation shows.
func receiverIsExported(decl *ast.FuncDecl) bool {
	if decl.Recv == nil {
		return true
	}
	receiver := decl.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if index, ok := receiver.(*ast.IndexExpr); ok {
		receiver = index.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported()
}
