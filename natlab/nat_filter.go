package natlab

import "time"

// admit makes a session for a packet from outside that belongs to none, if the mapping it is sent
// to has one and the filter lets it in; otherwise it returns nil.
func (n *nat) admit(now time.Time, p *packet) *session {
	if p.protocol == protoTCP && !p.isSYN() || p.isEchoReply() {
		return nil
	}
	n.sweep(now)
	m := n.ports[endpoint{p.protocol, p.to}]
	if !n.reap(m, now) || !n.allows(m, p) {
		return nil
	}
	s := &session{
		protocol: p.protocol, internal: m.key.local, external: p.to, remote: p.from,
		mapping: m, opened: now,
	}
	m.host.sessions++
	if !n.hasRoom(m.host, now) || n.isTaken(s, now) || n.follow(now, s, p, false) != segmentFollowed {
		n.release(m.host)
		return nil
	}
	n.insert(s)
	return s
}

// isTaken reports whether the internal endpoint already has another external one for the remote one.
func (n *nat) isTaken(s *session, now time.Time) bool {
	return n.live(n.outgoing[flowKey{s.protocol, s.internal, s.remote}], now) != nil
}

// allows reports whether the filter lets the sender of p use the mapping. A sender whose very
// endpoint was sent to has a session, so it does not come here.
func (n *nat) allows(m *mapping, p *packet) bool {
	switch n.behavior.Filtering {
	case EndpointIndependent:
		return true
	case AddressDependent:
		for s := m.newest; s != nil; s = s.older {
			if s.remote.Addr() == p.from.Addr() {
				return true
			}
		}
	}
	return false
}
