package main

import (
	"slices"
	"testing"
)

func TestPairsAreChosenByBoxesAndByPairs(t *testing.T) {
	all := boxes()
	sides, joint := 0, 0
	for _, b := range all {
		if b.shared == apart {
			sides++
		} else {
			joint++
		}
	}
	for text, want := range map[string]int{
		"*:*":                     sides*sides + joint,
		"linux":                   1,
		"linux,symmetric-random":  4,
		"linux:*":                 sides,
		"*:linux":                 sides,
		"linux:linux,linux":       1,
		"same-nat":                1,
		"same-nat,linux":          2, // one that stands for both sides has no other
		"linux:public,public":     2,
		"symmetric-random:linux,": 0, // an error
	} {
		got, err := choosePairs(all, text)
		if (err == nil) != (want > 0) || len(got) != want {
			t.Errorf("%s: got %d pairs, %v, want %d", text, len(got), err, want)
		}
		var names []string
		for _, p := range got {
			names = append(names, p.String())
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != len(got) {
			t.Errorf("%s: a pair comes twice", text)
		}
	}
}
