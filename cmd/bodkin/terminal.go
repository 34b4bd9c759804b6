package main

import (
	"io"
	"os"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A style colours words on a terminal, and leaves them alone anywhere else. It follows NO_COLOR (no-color.org).
type style struct{ colour bool }

func styleOf(w io.Writer) style {
	return style{isTerminal(w) && os.Getenv("NO_COLOR") == "" && takesEscapes()}
}

// takesEscapes tells whether terminals here do what escape sequences say.
func takesEscapes() bool {
	legacy := runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" // a console that may print them as they are
	return os.Getenv("TERM") != "dumb" && !legacy
}

func (s style) good(text string) string  { return s.wrap("\x1b[32m", text) }
func (s style) bad(text string) string   { return s.wrap("\x1b[31m", text) }
func (s style) bold(text string) string  { return s.wrap("\x1b[1m", text) }
func (s style) faint(text string) string { return s.wrap("\x1b[2m", text) }

func (s style) wrap(begin, text string) string {
	if !s.colour {
		return text
	}
	return begin + text + "\x1b[0m"
}

// isTerminal tells whether w, or a reader, is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printable makes text from elsewhere safe to print: what could move the cursor, change colours, answer for the user or
// turn the direction of the text around is replaced by a sign for it, and so are bytes that are no UTF-8.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ':
			return '\u2400' + r // the control pictures, in the same order
		case r == 0x7f:
			return '\u2421'
		case r == utf8.RuneError, unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r),
			unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return utf8.RuneError
		}
		return r
	}, text)
}

// printableLines is printable for a text of several lines, which it indents from the second on.
func printableLines(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n  ")
}
