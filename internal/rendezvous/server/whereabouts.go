package server

import (
	"net/netip"
	"slices"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// whereabouts returns what a peer of c is told: its profile and name, where it was seen, newest first, and where it is mapped;
// nowhere if it is not to be dialled.
func (r *room) whereabouts(c *conn) (profile []byte, name nameTag, observed, mapped []*wire.Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.relayAlways {
		return c.profile, c.name, nil, nil // its address is nobody's business
	}
	if c.mapped != nil {
		mapped = append(mapped, wire.NewEndpoint(*c.mapped))
	}
	for _, hole := range c.holes {
		observed = append(observed, wire.NewEndpoint(hole))
	}
	if !c.proxied {
		observed = append(observed, wire.NewEndpoint(c.remote))
	}
	return c.profile, c.name, observed, mapped
}

// answersSample reports whether c can show a new mapping of its network.
func (r *room) answersSample(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.registration.samples && !c.proxied && !c.relayAlways
}

// isMapped reports whether a gateway was proven to forward to c.
func (r *room) isMapped(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.mapped != nil
}

// relayPolicy is what c wants of the relay.
func (r *room) relayPolicy(c *conn) (never, always bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.relayNever, c.relayAlways
}

// sees reports whether c was seen at an address, on whatever port.
func (r *room) sees(c *conn, addr netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !c.proxied && addr == c.remote.Addr() || slices.ContainsFunc(c.holes, func(h netip.AddrPort) bool { return h.Addr() == addr })
}

// setMapped notes where c was proven to be mapped, nil for nowhere, and reports whether peers did not know the endpoint before.
func (r *room) setMapped(c *conn, endpoint *netip.AddrPort) (isNew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.mapped = endpoint
	return endpoint != nil && *endpoint != c.remote && !slices.Contains(c.holes, *endpoint)
}

// observe notes that c was seen at addr on a hole connection to local. Of each address family the newest is kept.
func (r *room) observe(c *conn, addr netip.AddrPort, local netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if addr == c.remote {
		return
	}
	isOther := func(a netip.AddrPort) bool { return a.Addr().Is4() != c.remote.Addr().Is4() }
	if isOther(addr) {
		c.other = &sighting{addr, local}
	}
	holes := append([]netip.AddrPort{addr}, slices.DeleteFunc(c.holes, func(a netip.AddrPort) bool { return a == addr })...)
	for len(holes) > wire.MaxObserved-1 {
		last := len(holes) - 1
		if isOther(holes[last]) && !slices.ContainsFunc(holes[:last], isOther) {
			last--
		}
		holes = slices.Delete(holes, last, last+1)
	}
	c.holes = holes
}
