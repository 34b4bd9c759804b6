package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A box is what a node is behind: nothing, or one kind of NAT.
type box struct {
	name string
	// reachable is whether anyone can connect to a node behind it once the node knows its address.
	reachable bool
	// put attaches the box to the lab; nil puts the node on the internet itself.
	put func(lab *natlab.Lab, name string) *natlab.NAT
}

// boxes are those that can be built here, from the easiest to the hardest to cross: the kernel's needs nft.
func boxes() []box {
	refusing := natlab.PortRestrictedCone()
	refusing.RefuseSimultaneousOpen = true
	all := []box{
		{name: "public", reachable: true},
		{name: "full-cone", reachable: true, put: follows(natlab.FullCone())},
		{name: "restricted-cone", put: follows(natlab.RestrictedCone())},
		{name: "port-restricted", put: follows(natlab.PortRestrictedCone())},
		{name: "linux", put: follows(natlab.Linux())},
		{name: "linux-kernel", put: func(lab *natlab.Lab, name string) *natlab.NAT {
			return lab.KernelNAT(name, natlab.Kernel{})
		}},
		{name: "linux-reject", put: follows(natlab.LinuxReject())},
		{name: "carrier-grade", put: follows(natlab.CarrierGrade())},
		{name: "no-simultaneous", put: follows(refusing)},
		{name: "symmetric", put: follows(natlab.Symmetric())},
	}
	if !haveNFT() {
		all = slices.DeleteFunc(all, func(b box) bool { return b.name == "linux-kernel" })
	}
	return all
}

func follows(b natlab.Behavior) func(*natlab.Lab, string) *natlab.NAT {
	return func(lab *natlab.Lab, name string) *natlab.NAT { return lab.NAT(name, b) }
}

// haveNFT looks where natlab looks.
func haveNFT() bool {
	return slices.ContainsFunc([]string{"nft", "/usr/sbin/nft", "/sbin/nft"}, func(path string) bool {
		_, err := exec.LookPath(path)
		return err == nil
	})
}

// A pair is two boxes by name: that of the dialer, and that of the callee.
type pair struct{ near, far string }

// choosePairs reads the command line's NEAR:FAR,... and returns each pair once, both directions of each.
func choosePairs(all []box, text string) ([]pair, error) {
	var names []string
	for _, b := range all {
		names = append(names, b.name)
	}
	wanted := map[pair]bool{}
	for _, word := range strings.Split(text, ",") {
		near, far, ok := strings.Cut(word, ":")
		for _, name := range []string{near, far} {
			if !ok || name != "*" && !slices.Contains(names, name) {
				return nil, fmt.Errorf("pair %q: want NEAR:FAR of * and %s", word, strings.Join(names, ", "))
			}
		}
		for _, x := range names {
			for _, y := range names {
				if (near == "*" || near == x) && (far == "*" || far == y) {
					wanted[pair{x, y}], wanted[pair{y, x}] = true, true
				}
			}
		}
	}
	var pairs []pair
	for _, group := range diagonals(names) {
		for _, p := range group {
			if wanted[p] {
				pairs = append(pairs, p)
			}
		}
	}
	return pairs, nil
}

// diagonals are all ordered pairs of names, in groups in which each name is near once and far once, so that the pairs of a
// group can be played at once. In each group the pair whose harder member is the harder comes later.
func diagonals(names []string) [][]pair {
	var groups [][]pair
	for shift := range names {
		var group []pair
		for i, near := range names {
			group = append(group, pair{near, names[(i+shift)%len(names)]})
		}
		harder := func(p pair) int { return max(slices.Index(names, p.near), slices.Index(names, p.far)) }
		slices.SortStableFunc(group, func(p, q pair) int { return harder(p) - harder(q) })
		groups = append(groups, group)
	}
	return groups
}
