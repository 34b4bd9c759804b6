package punch

import (
	"cmp"
	"net/netip"
	"slices"
)

// A guest is an inbound connection that no attempt has taken yet.
type guest struct {
	source  netip.Prefix
	leave   func() // ends its identification, and with it the connection
	settled bool   // it has named an attempt that is expected: it is no stranger any more
}

// enter gives a place to g. If there is none, the oldest stranger loses its: of the same source where that has too many, else
// of all. A peer's preface comes with its first bytes, so a stranger that waits is older when a peer comes. It reports
// whether there was a place; there is none where all have named attempts.
func (a *Acceptor) enter(g *guest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	fromHere := 0
	for _, other := range a.guests {
		if other.source == g.source {
			fromHere++
		}
	}
	switch {
	case fromHere >= cmp.Or(a.PerAddress, DefaultPerAddress):
		if !a.evictLocked(func(other *guest) bool { return other.source == g.source }) {
			return false
		}
	case len(a.guests) >= cmp.Or(a.Limit, DefaultLimit):
		if !a.evictLocked(func(*guest) bool { return true }) {
			return false
		}
	}
	a.guests = append(a.guests, g)
	return true
}

// evictLocked sends away the oldest stranger of those, if there is one.
func (a *Acceptor) evictLocked(of func(*guest) bool) bool {
	i := slices.IndexFunc(a.guests, func(g *guest) bool { return !g.settled && of(g) })
	if i < 0 {
		return false
	}
	a.guests[i].leave()
	a.guests = slices.Delete(a.guests, i, i+1)
	return true
}

// settle notes that g has named an attempt that is expected. It reports false if g was sent away before.
func (a *Acceptor) settle(g *guest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	g.settled = slices.Contains(a.guests, g)
	return g.settled
}

// exit gives back the place of g, if it still has one.
func (a *Acceptor) exit(g *guest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.guests, g); i >= 0 {
		a.guests = slices.Delete(a.guests, i, i+1)
	}
}

// sourceOf is what counts as one address: an IPv6 host chooses freely within its /64.
func sourceOf(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	source, _ := addr.Prefix(bits) // zero for no address: those count together
	return source
}
