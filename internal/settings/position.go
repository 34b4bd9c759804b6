package settings

import (
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A position is a place in a file, from 1.
type position struct{ line, column int }

// At makes a problem with the value of a key: At("relay"), At("expose", "ssh"), At("forward", "0") for the first of a list.
func (f *File) At(text, hint string, path ...string) Problem {
	p := Problem{File: f.name, Text: text, Hint: hint}
	if at, known := f.at[joined(path)]; known {
		p.Line, p.Column = at.line, at.column
	}
	return p
}

// joined makes a path a key of a map. No key has a zero in it: TOML has none.
func joined(path []string) string { return strings.Join(path, "\x00") }

// positions finds where the values of a document are that the decoder has accepted.
func positions(data []byte) (map[string]position, error) {
	f := finder{at: map[string]position{}}
	f.parser.Reset(data)
	var under []string
	for f.parser.NextExpression() {
		switch e := f.parser.Expression(); e.Kind {
		case unstable.Table:
			under = keyOf(e)
		case unstable.KeyValue:
			f.pair(under, e)
		}
	}
	return f.at, f.parser.Error()
}

type finder struct {
	parser unstable.Parser
	at     map[string]position
}

// pair notes the value of a key, and those inside it.
func (f *finder) pair(under []string, e *unstable.Node) {
	path := append(append([]string(nil), under...), keyOf(e)...)
	it := e.Key()
	for it.Next() {
		f.note(path, it.Node()) // the last of its keys, unless the value says more
	}
	f.value(path, e.Value())
}

func (f *finder) value(path []string, v *unstable.Node) {
	f.note(path, v)
	it := v.Children()
	for i := 0; it.Next(); i++ {
		switch v.Kind {
		case unstable.Array:
			f.value(append(append([]string(nil), path...), strconv.Itoa(i)), it.Node())
		case unstable.InlineTable:
			f.pair(path, it.Node())
		}
	}
}

// note remembers where a node is, if it is known.
func (f *finder) note(path []string, n *unstable.Node) {
	if n.Raw.Length == 0 {
		return
	}
	start := f.parser.Shape(n.Raw).Start
	f.at[joined(path)] = position{start.Line, start.Column}
}

func keyOf(e *unstable.Node) (path []string) {
	it := e.Key()
	for it.Next() {
		path = append(path, string(it.Node().Data))
	}
	return path
}
