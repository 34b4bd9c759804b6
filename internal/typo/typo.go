// Package typo guesses what somebody meant who typed a name with a slip in it.
package typo

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest finds what somebody may have meant who typed text: those of names that differ from it by a slip or two, the nearest first and then by name,
// at most three. Where it is the beginning of some, those are meant.
func Nearest(text string, names []string) (near []string) {
	const most = 3
	type guess struct {
		name string
		far  int
	}
	var guesses []guess
	text = strings.ToLower(text)
	for _, name := range names {
		far := slips([]rune(text), []rune(strings.ToLower(name)))
		begins := len(text) > 1 && strings.HasPrefix(strings.ToLower(name), text)
		if far <= max(1, len(text)/3) && far < len(text) || begins {
			guesses = append(guesses, guess{name, far})
		}
	}
	slices.SortFunc(guesses, func(a, b guess) int { return cmp.Or(a.far-b.far, strings.Compare(a.name, b.name)) })
	for _, g := range guesses[:min(most, len(guesses))] {
		near = append(near, g.name)
	}
	return near
}

// slips counts the letters that were left out, added or mistaken, and the pairs that changed places, between two words (the optimal
// string alignment distance).
func slips(a, b []rune) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(last[j]+same, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
