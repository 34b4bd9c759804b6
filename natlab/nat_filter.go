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
	if !n.reap(m, now) || !n.allows(m, p) || !n.hasRoom(m.host, now) {
		return nil
	}
	internal := m.key.local
	if n.live(n.outgoing[flowKey{p.protocol, internal, p.from}], now) != nil {
		return nil // has another external endpoint for this remote one
	}
	s := &session{protocol: p.protocol, internal: internal, external: p.to, remote: p.from, opened: now}
	if n.follow(now, s, p, false) != segmentFollowed {
		return nil
	}
	s.mapping = m
	n.insert(s)
	return s
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
