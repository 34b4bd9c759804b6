package settings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is something in a file that cannot be.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 if it is not known
	Text         string // what is wrong
	Hint         string // what may be right; may be empty
}

// String is "FILE:LINE:COLUMN: text (hint)", as editors understand it.
func (p Problem) String() string {
	text := p.File + ": " + p.Text
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
	}
	if p.Hint != "" {
		text += " (" + p.Hint + ")"
	}
	return text
}

// Problems is all that is wrong with a file, as an error.
type Problems []Problem

// Error has a line for each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// InOrder returns the problems in the order of the file.
func (p Problems) InOrder() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return p
}
