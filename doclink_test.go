package bodkin_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"testing"
)

// TestLinksInCommentsLeadSomewhere finds names in brackets that documentation shows as just that: there is nothing of the name.
//
// Seen to fail: with a link to a method without its type.
func TestLinksInCommentsLeadSomewhere(t *testing.T) {
	fset, files := token.NewFileSet(), map[string][]*ast.File{} // of each folder
	parse := func(name string) {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.ToSlash(filepath.Dir(name))
		files[folder] = append(files[folder], file)
	}
	eachSource(t, parse)
	generated, err := filepath.Glob("internal/wire/*.pb.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range generated {
		parse(name)
	}
	for folder, list := range files {
		pkg, err := doc.NewFromFiles(fset, list, path.Join("github.com/bodkin-p2p/bodkin", folder), doc.AllDecls)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range commentsOf(pkg) {
			for _, link := range deadLinks(pkg.Parser().Parse(text).Content) {
				t.Errorf("%s: %s leads nowhere", folder, link)
			}
		}
	}
}

// commentsOf lists the comments of a package and of all that it declares.
func commentsOf(pkg *doc.Package) []string {
	texts := []string{pkg.Doc}
	values := func(list []*doc.Value) {
		for _, v := range list {
			texts = append(texts, v.Doc)
		}
	}
	funcs := func(list []*doc.Func) {
		for _, f := range list {
			texts = append(texts, f.Doc)
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	funcs(pkg.Funcs)
	for _, t := range pkg.Types {
		texts = append(texts, t.Doc)
		values(t.Consts)
		values(t.Vars)
		funcs(t.Funcs)
		funcs(t.Methods)
	}
	return texts
}

var bracketed = regexp.MustCompile(`\[\*?[A-Z]\w*(\.[A-Z]\w*)?\]`)

// deadLinks finds what looks like a link in the plain text of blocks: those that lead somewhere are no plain text.
func deadLinks(blocks []comment.Block) (dead []string) {
	for _, block := range blocks {
		var text []comment.Text
		switch block := block.(type) {
		case *comment.Paragraph:
			text = block.Text
		case *comment.Heading:
			text = block.Text
		case *comment.List:
			for _, item := range block.Items {
				dead = append(dead, deadLinks(item.Content)...)
			}
		}
		for _, part := range text {
			if plain, ok := part.(comment.Plain); ok {
				dead = append(dead, bracketed.FindAllString(string(plain), -1)...)
			}
		}
	}
	return dead
}
