package main

import (
	"unicode"

	"golang.org/x/text/width"
)

// cellsOf is how many columns of a terminal a character takes: two for those of East Asian scripts and most pictures, none for what
// is written over the character before it.
func cellsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cells is how many columns text takes.
func cells(text string) (n int) {
	for _, r := range text {
		n += cellsOf(r)
	}
	return n
}

// shorten cuts text to so many columns; an ellipsis takes the place of what is cut.
func shorten(text string, room int) string {
	if cells(text) <= room {
		return text
	}
	if room < 1 {
		return ""
	}
	taken := 1 // by the ellipsis
	for i, r := range text {
		if taken += cellsOf(r); taken > room {
			return text[:i] + "…"
		}
	}
	return text
}
