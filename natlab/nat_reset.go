package natlab

// judgeReset takes a reset, which anyone on the path may forge and a host sends for segments that
// were ignored here.
func (t *tcpTracker) judgeReset(d direction, seg *segment, check Checking) outcome {
	if t.state >= stateFinWait && t.state <= stateClosed {
		t.enter(d, seg, stateClosed)
		return segmentFollowed
	}
	next := stateClosed
	if other := &t.windows[1-d]; other.acked && t.last.kind != kindSYN {
		established := t.state == stateEstablished && t.assured
		switch {
		case seg.seq == 0 && !established: // may answer a SYN that was let through unchecked
			return t.judgeWindow(d, seg, stateClosed, check)
		case before(seg.seq, other.maxAck):
			return segmentRefused
		case !established, seg.seq == other.maxAck, t.continues(d, seg):
			return t.judgeWindow(d, seg, stateClosed, check)
		}
		next = t.state // may meet a challenge ACK, so the connection may live (RFC 5961)
	}
	if t.answersIgnored(d, seg) {
		t.enter(d, seg, next)
		return segmentFollowed
	}
	return t.judgeWindow(d, seg, next, check)
}

// continues reports whether a segment follows right after the last one of the same side.
func (t *tcpTracker) continues(d direction, seg *segment) bool {
	return t.last.kind == kindACK && t.last.direction == d && seg.seq == t.last.end
}

// answersIgnored reports whether a reset answers a segment that was let through unchecked.
func (t *tcpTracker) answersIgnored(d direction, seg *segment) bool {
	l := t.last
	toSYN := t.answered && l.kind == kindSYN && l.direction != d
	if (toSYN || !t.assured && l.kind == kindACK) && seg.ack == l.end {
		return true
	}
	return t.state == stateSynSent && l.kind == kindACK && l.direction == back && seg.seq == l.ack
}
