package natlab

import (
	"net/netip"
	"time"
)

// maxSessions bounds the table of one NAT. A Linux router of 256 MiB has room for about as many.
const maxSessions = 65536

// tables are all that a NAT remembers.
type tables struct {
	outgoing map[flowKey]*session     // by internal and remote endpoint
	incoming map[flowKey]*session     // by external and remote endpoint
	mappings map[flowKey]*mapping     // by internal endpoint and what Behavior.Mapping looks at
	ports    map[endpoint]*mapping    // by external endpoint: the mapping that took it last
	hosts    map[netip.Addr]*host     // by internal address
	counters map[endpoint]uint16      // by external address: last port of PortSequential
	blocks   map[netip.AddrPort]*host // by external address and first port: owner under PortBlock
	held     heldSYNs                 // inbound SYNs waiting for their answer
	paired   int                      // how many hosts were given an external address
	swept    time.Time                // when expired sessions were last removed
}

func newTables() tables {
	return tables{
		outgoing: make(map[flowKey]*session),
		incoming: make(map[flowKey]*session),
		mappings: make(map[flowKey]*mapping),
		ports:    make(map[endpoint]*mapping),
		hosts:    make(map[netip.Addr]*host),
		counters: make(map[endpoint]uint16),
		blocks:   make(map[netip.AddrPort]*host),
	}
}

// insert puts a session, and what it is the first of, into the tables. Its host counts it already.
func (n *nat) insert(s *session) {
	m := s.mapping
	if s.older = m.newest; s.older != nil {
		s.older.newer = s
	}
	m.newest = s
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
	n.release(m.host)
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

// release takes one session off a host's count.
func (n *nat) release(h *host) {
	if h.sessions--; h.sessions > 0 {
		return
	}
	delete(n.hosts, h.addr)
	delete(n.blocks, h.block.first)
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
