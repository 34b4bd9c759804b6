package server

import (
	"net/netip"
	"sync"
)

// An admission counts what strangers and nodes have open, in all and by address, before anything is spent on them.
type admission struct {
	max           int // in all
	maxPerAddress int

	mu        sync.Mutex
	total     int
	byAddress map[network]int32
}

// A network is what counts as one address: IPv4 in its IPv6 form, or an IPv6 /64.
type network [16]byte

func networkOf(addr netip.Addr) network {
	addr = addr.Unmap()
	n := network(addr.As16())
	if addr.Is6() {
		clear(n[8:])
	}
	return n
}

func newAdmission(limit, limitPerAddress int) *admission {
	return &admission{max: limit, maxPerAddress: limitPerAddress, byAddress: map[network]int32{}}
}

// enter counts one more from addr, or tells that it is one too many.
func (a *admission) enter(addr netip.Addr) bool {
	n := networkOf(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= a.max || int(a.byAddress[n]) >= a.maxPerAddress {
		return false
	}
	a.total++
	a.byAddress[n]++
	return true
}

// leave takes back one enter.
func (a *admission) leave(addr netip.Addr) {
	n := networkOf(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.byAddress[n]--; a.byAddress[n] == 0 {
		delete(a.byAddress, n)
	}
}
