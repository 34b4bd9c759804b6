package natlab

import (
	"net/netip"
	"time"
)

// maxSessions bounds the table of one NAT. A Linux router of 256 MiB has room for about as many.
const maxSessions = 65536

// endpoint is an address and port of one protocol. The port of ICMP is the echo identifier.
type endpoint struct {
	protocol protocol
	addr     netip.AddrPort
}

// flowKey names one connection as it is seen on one side of the NAT: local is the internal endpoint
// inside, and the external one outside.
type flowKey struct {
	protocol      protocol
	local, remote netip.AddrPort
}

// A session is one connection through the NAT.
type session struct {
	protocol                   protocol
	internal, external, remote netip.AddrPort

	mapping *mapping
	older   *session // the one before it in its mapping
	newer   *session // the one after it in its mapping
	opened  time.Time
	expires time.Time

	tcp          tcpTracker
	insideOpened bool // UDP and ICMP only, as tcp has its own
	answered     bool // UDP and ICMP only, as tcp has its own
}

// A mapping is an internal endpoint, with as much of the remote one as Behavior.Mapping looks at,
// and what it has open. The mapping's external endpoint is that of its newest session; without
// overloading all its sessions have the same. A mapping ends with its last session.
type mapping struct {
	key    flowKey // remote is cut down to what the mapping depends on
	host   *host
	newest *session
	made   time.Time
}

// A host is an internal address.
type host struct {
	addr     netip.Addr
	external netip.Addr // under paired pooling; the zero Addr until first needed
	sessions int
	block    portBlock
}

// live returns s unless it is nil or has expired, which removes it.
func (n *nat) live(s *session, now time.Time) *session {
	if s == nil || !n.hasExpired(s, now) {
		return s
	}
	n.remove(s)
	return nil
}

func (n *nat) hasExpired(s *session, now time.Time) bool {
	lifetime := n.timeouts.Lifetime
	return !now.Before(s.expires) || lifetime > 0 && now.Sub(s.mapping.made) >= lifetime
}

// reap removes the expired sessions of a mapping, and reports whether any are left. It may be
// called with nil.
func (n *nat) reap(m *mapping, now time.Time) bool {
	if m == nil {
		return false
	}
	for s := m.newest; s != nil; {
		older := s.older
		n.live(s, now)
		s = older
	}
	return m.newest != nil
}

// sweep removes all expired sessions, now and then: lookups do not return them anyway.
func (n *nat) sweep(now time.Time) {
	if age := now.Sub(n.swept); age < time.Second && len(n.outgoing) < maxSessions || age == 0 {
		return
	}
	n.swept = now
	for _, s := range n.outgoing {
		n.live(s, now)
	}
}

// open makes a session for a packet from inside, nil if there can be none.
func (n *nat) open(now time.Time, p *packet) *session {
	if !n.mayOpen(p) {
		return nil
	}
	n.sweep(now)
	s := &session{protocol: p.protocol, internal: p.from, remote: p.to, opened: now, insideOpened: true}
	if n.follow(now, s, p, true) != segmentFollowed {
		return nil
	}
	key := n.mappingKey(p)
	m := n.mappings[key]
	if !n.reap(m, now) {
		m = &mapping{key: key, host: n.host(p.from.Addr()), made: now}
	}
	if !n.hasRoom(m.host, now) {
		return nil
	}
	external, ok := n.allocate(now, m, p)
	if !ok {
		return nil
	}
	s.external, s.mapping = external, m
	n.insert(s)
	return s
}

// mayOpen reports whether a packet from inside may begin a session.
func (n *nat) mayOpen(p *packet) bool {
	switch p.protocol {
	case protoTCP:
		return p.isSYN() || n.behavior.PickUp && !p.flags().has(flagSYN)
	case protoUDP:
		return true
	default:
		return p.isEchoRequest()
	}
}

// hasRoom reports whether one more session is allowed.
func (n *nat) hasRoom(h *host, now time.Time) bool {
	limit := n.behavior.SessionsPerHost
	if limit > 0 && h.sessions >= limit {
		n.swept = time.Time{}
		n.sweep(now)
	}
	return len(n.outgoing) < maxSessions && (limit <= 0 || h.sessions < limit)
}

// host returns the record of an internal address. A new one enters the table with its first session.
func (n *nat) host(addr netip.Addr) *host {
	if h := n.hosts[addr]; h != nil {
		return h
	}
	return &host{addr: addr}
}

// insert puts a session, and what it is the first of, into the tables.
func (n *nat) insert(s *session) {
	m := s.mapping
	if s.older = m.newest; s.older != nil {
		s.older.newer = s
	}
	m.newest = s
	m.host.sessions++
	n.hosts[m.host.addr] = m.host
	n.mappings[m.key] = m
	n.ports[endpoint{s.protocol, s.external}] = m
	n.outgoing[flowKey{s.protocol, s.internal, s.remote}] = s
	n.incoming[flowKey{s.protocol, s.external, s.remote}] = s
}

// remove takes a session, and what it is the last of, out of the tables.
func (n *nat) remove(s *session) {
	delete(n.outgoing, flowKey{s.protocol, s.internal, s.remote})
	delete(n.incoming, flowKey{s.protocol, s.external, s.remote})
	m := s.mapping
	if s.older != nil {
		s.older.newer = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		m.newest = s.older
	}
	port := endpoint{s.protocol, s.external}
	if n.ports[port] == m && !m.uses(s.external) {
		delete(n.ports, port)
	}
	if m.newest == nil {
		delete(n.mappings, m.key)
	}
	if m.host.sessions--; m.host.sessions == 0 {
		n.forget(m.host)
	}
}

// uses reports whether a session of the mapping has this external endpoint.
func (m *mapping) uses(external netip.AddrPort) bool {
	for s := m.newest; s != nil; s = s.older {
		if s.external == external {
			return true
		}
	}
	return false
}

// forget removes a host without sessions.
func (n *nat) forget(h *host) {
	delete(n.hosts, h.addr)
	if h.block.size > 0 {
		delete(n.blocks, h.block.first)
	}
}
