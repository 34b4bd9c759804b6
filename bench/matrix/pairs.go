package main

import (
	"fmt"
	"slices"
	"strings"
)

// A pair is two boxes: the dialer's and the callee's.
type pair struct{ near, far box }

func (p pair) String() string { return p.near.name + ":" + p.far.name }

// choosePairs reads the command line's list of boxes and of DIALER:CALLEE, and returns each pair once, in the order of the boxes.
func choosePairs(all []box, text string) ([]pair, error) {
	var names []string
	for _, b := range all {
		names = append(names, b.name)
	}
	var single []string
	wanted := map[[2]string]bool{}
	for _, word := range strings.Split(text, ",") {
		near, far, isPair := strings.Cut(word, ":")
		if !isPair {
			far = near
		}
		for _, name := range []string{near, far} {
			if name != "*" && !slices.Contains(names, name) {
				return nil, fmt.Errorf("-only %q: want boxes, or DIALER:CALLEE, of * and %s", word, strings.Join(names, ", "))
			}
		}
		if isPair {
			wanted[[2]string{near, far}] = true
		} else {
			single = append(single, near)
		}
	}
	for _, near := range single {
		for _, far := range single {
			wanted[[2]string{near, far}] = true
		}
	}
	var pairs []pair
	for _, near := range all {
		for _, far := range all {
			if (near.shared != apart || far.shared != apart) && near.name != far.name {
				continue
			}
			if wanted[[2]string{near.name, far.name}] || wanted[[2]string{"*", far.name}] ||
				wanted[[2]string{near.name, "*"}] || wanted[[2]string{"*", "*"}] {
				pairs = append(pairs, pair{near, far})
			}
		}
	}
	return pairs, nil
}
