package natlab

import (
	"net/netip"
	"time"
)

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

// A host is an internal address. It is forgotten with its last session.
type host struct {
	addr     netip.Addr
	external netip.Addr // under paired pooling; the zero Addr until first needed
	sessions int
	block    portBlock
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
	h := n.host(p.from.Addr())
	h.sessions++ // from now on, so that h is not forgotten while expired sessions are removed
	if !n.hasRoom(h, now) || !n.place(now, s, h, p) {
		n.release(h)
		return nil
	}
	n.insert(s)
	return s
}

// place gives a session from inside its mapping and its external endpoint. It reports false if there
// is none left.
func (n *nat) place(now time.Time, s *session, h *host, p *packet) (ok bool) {
	key := n.mappingKey(p)
	m := n.mappings[key]
	if !n.reap(m, now) {
		m = &mapping{key: key, host: h, made: now}
	}
	s.mapping = m
	s.external, ok = n.allocate(now, m, p)
	return ok
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

// hasRoom reports whether one more session is allowed, which h counts already.
func (n *nat) hasRoom(h *host, now time.Time) bool {
	limit := n.behavior.SessionsPerHost
	if limit > 0 && h.sessions > limit {
		n.swept = time.Time{}
		n.sweep(now)
	}
	return len(n.outgoing) < maxSessions && (limit <= 0 || h.sessions <= limit)
}

// host returns the record of an internal address. A new one enters the table with its first session.
func (n *nat) host(addr netip.Addr) *host {
	if h := n.hosts[addr]; h != nil {
		return h
	}
	return &host{addr: addr}
}
