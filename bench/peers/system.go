package main

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// A system is what is compared: a role for nodes, and its configuration at a place.
type system struct {
	name   string
	role   string
	config func(s *stage, at *site, run int) any
}

// systems are those there are.
func systems() []system {
	var joined atomic.Int64
	return []system{
		{name: "bodkin", role: "bodkin-node", config: func(s *stage, at *site, run int) any {
			// A new name each time: the old node may be online for a moment longer.
			return bodkinInvite{Invite: s.invite.Invite, Name: fmt.Sprintf("n%d", joined.Add(1))}
		}},
		{name: "libp2p", role: "libp2p-node", config: func(s *stage, at *site, run int) any {
			c := s.known
			c.Reachable = at.box.reachable
			return c
		}},
	}
}

// chooseSystems reads a comma-separated list.
func chooseSystems(text string) ([]system, error) {
	var chosen []system
	for _, word := range strings.Split(text, ",") {
		found := false
		for _, s := range systems() {
			if s.name == word {
				chosen, found = append(chosen, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("system %q: want bodkin or libp2p", word)
		}
	}
	return chosen, nil
}
