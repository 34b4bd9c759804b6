package natlab

import "time"

// follow lets a session take notice of its next packet, and sets when it expires.
// A session that the packet ends is removed; the packet is still to be translated.
func (n *nat) follow(now time.Time, s *session, p *packet, fromInside bool) outcome {
	if p.protocol != protoTCP {
		s.expires = now.Add(n.datagramTimeout(s, now))
		s.answered = s.answered || fromInside != s.insideOpened
		return segmentFollowed
	}
	isReset := p.flags().has(flagRST)
	if isReset && n.behavior.Reset == ResetIgnored {
		unchanged := s.tcp
		return min(unchanged.follow(fromInside, p, n.behavior.Checking), segmentIgnored)
	}
	wasOpening := s.tcp.state == stateSynSent
	if wasOpening && n.behavior.RefuseSimultaneousOpen && p.isSYN() && fromInside != s.tcp.insideOpened {
		return segmentRefused
	}
	wasAnswered := s.tcp.answered
	if o := s.tcp.follow(fromInside, p, n.behavior.Checking); o != segmentFollowed {
		return o
	}
	switch {
	case isReset && n.removesAfterReset(wasAnswered):
		n.remove(s)
	case wasOpening && !wasAnswered && p.isSYN():
		// A repeated SYN does not prolong the hole, so that nobody keeps one open for ever (Linux).
	default:
		s.expires = now.Add(n.tcpTimeout(s, wasAnswered, isReset))
	}
	return segmentFollowed
}

func (n *nat) removesAfterReset(wasAnswered bool) bool {
	switch n.behavior.Reset {
	case ResetRemoves:
		return true
	case ResetRemovesUnanswered:
		return !wasAnswered
	}
	return false
}

// tcpTimeout is how long a TCP session may be idle after a packet, which may be a reset, and before
// which it was answered or not.
func (n *nat) tcpTimeout(s *session, wasAnswered, isReset bool) time.Duration {
	if isReset {
		return n.timeouts.Closed
	}
	t := n.stateTimeout(s.tcp.state)
	guessed := s.tcp.state == stateEstablished && !wasAnswered
	stalled := n.behavior.Checking != CheckNothing && s.tcp.isStalled()
	if u := n.timeouts.Unacknowledged; u > 0 && (guessed || stalled) {
		return min(t, u)
	}
	return t
}

func (n *nat) stateTimeout(state tcpState) time.Duration {
	t := &n.timeouts
	switch state {
	case stateSynReceived:
		return t.SynReceived
	case stateEstablished:
		return t.Established
	case stateFinWait:
		return t.FinWait
	case stateCloseWait:
		return t.CloseWait
	case stateLastAck:
		return t.LastAck
	case stateTimeWait:
		return t.TimeWait
	case stateClosed:
		return t.Closed
	}
	return t.SynSent
}

// datagramTimeout is how long a UDP or ICMP session may be idle after a packet.
func (n *nat) datagramTimeout(s *session, now time.Time) time.Duration {
	const question = 2 * time.Second // what lasts longer is more than one question and its answer (Linux)
	switch {
	case s.protocol != protoUDP:
		return n.timeouts.ICMP
	case s.answered && now.Sub(s.opened) > question:
		return n.timeouts.UDPStream
	}
	return n.timeouts.UDP
}
