package natlab

// A window is what has been seen of one side of a TCP connection, as Guido van Rooij's "Real
// Stateful TCP Packet Filtering in IP Filter" (2000) describes it and Linux checks it.
//
// Unlike Linux's, it does not read selective acknowledgments, so its limits are those of the plain
// window, which no proper sender exceeds.
type window struct {
	end     uint32 // highest sequence number sent, plus one
	maxEnd  uint32 // highest sequence number the other side has room for
	maxWin  uint32 // largest window offered, at least one; zero: nothing seen of this side
	maxAck  uint32 // highest acknowledgment sent
	scale   uint8  // shift of the window field
	scales  bool   // it offered window scaling
	acked   bool   // maxAck is set
	unacked bool   // the other side has not acknowledged all of it
	closes  bool   // it was first to send FIN
	liberal bool   // its limits are guesses: the connection was picked up in the middle
}

// windowFit is how the sequence numbers of a segment fit.
type windowFit uint8

const (
	fits windowFit = iota
	late           // old or a little too much: passes, but says nothing
	misfit
)

// before compares sequence numbers modulo 2^32.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// begin takes the first segment of the connection.
func (t *tcpTracker) begin(seg *segment) {
	w := &t.windows[forth]
	*w = window{end: seg.end, maxEnd: seg.end, maxWin: max(1, uint32(seg.win))}
	if seg.kind == kindSYN {
		w.scale, w.scales = seg.packet.windowScale()
		return
	}
	w.maxEnd += w.maxWin
	w.liberal = true
	t.windows[back].liberal = true
}

// start takes the first SYN, or a newer one, of one side.
func (t *tcpTracker) start(d direction, seg *segment) {
	w, other := &t.windows[d], &t.windows[1-d]
	*w = window{end: seg.end, maxEnd: seg.end, maxWin: max(1, uint32(seg.win)), liberal: w.liberal}
	w.scale, w.scales = seg.packet.windowScale()
	if d == back && !(w.scales && other.scales) {
		w.scale, other.scale = 0, 0 // both must offer it (RFC 7323, section 2.2)
	}
}

// fit checks the sequence numbers of a segment and takes them in if they fit.
func (t *tcpTracker) fit(d direction, seg *segment) windowFit {
	sender, receiver := &t.windows[d], &t.windows[1-d]
	switch {
	case seg.flags.has(flagSYN) && (sender.maxWin == 0 || t.isNewer(sender, seg)):
		t.start(d, seg)
		if seg.kind == kindSYN {
			return fits
		}
	case sender.maxWin == 0:
		t.joinLate(sender, receiver, seg)
	}
	seq, end, ack := seg.seq, seg.end, seg.ack
	if !seg.flags.has(flagACK) || seg.kind == kindRST && ack == 0 {
		ack = receiver.end
	}
	if seg.kind == kindRST && seq == 0 && t.state == stateSynSent {
		seq, end = sender.end, sender.end
	}
	if fit := fitLimits(sender, receiver, seq, end, ack); fit != fits {
		return fit
	}
	t.advance(d, seg, end, ack)
	return fits
}

// isNewer reports whether a SYN starts its side of a half-open connection anew: it must have a
// higher sequence number (RFC 9293, section 3.4.3).
func (t *tcpTracker) isNewer(sender *window, seg *segment) bool {
	return before(sender.end, seg.end) && (t.state == stateSynSent || t.state == stateSynReceived)
}

// joinLate makes limits for a side whose SYN was missed.
func (t *tcpTracker) joinLate(sender, receiver *window, seg *segment) {
	sender.end = seg.end
	sender.maxWin = max(1, uint32(seg.win)<<sender.scale)
	sender.maxEnd = seg.end + sender.maxWin
	switch {
	case receiver.maxWin == 0:
		receiver.end, receiver.maxEnd = seg.ack, seg.ack
	case seg.ack == receiver.end+1:
		receiver.end++ // answers a keep-alive
	}
}

// fitLimits is the check itself. Bounds are as wide as what both sides have shown allows.
func fitLimits(sender, receiver *window, seq, end, ack uint32) windowFit {
	slack := max(sender.maxWin, 66000) // acknowledgments may be this old
	isRecent := receiver.maxWin == 0 || !before(end, sender.end-receiver.maxWin)
	isAckRecent := !before(ack, receiver.end-slack)
	isAckSent := !before(receiver.end, ack)

	if before(sender.maxEnd, seq) {
		overshoot := end - sender.maxEnd + 1
		if receiver.maxWin != 0 && isRecent && isAckRecent && isAckSent && overshoot <= receiver.maxWin {
			sender.end = end // so that its acknowledgment fits
			sender.unacked = true
			return late
		}
		return misfit
	}
	if !isAckSent {
		return misfit
	}
	if !isRecent || !isAckRecent {
		return late
	}
	return fits
}

// advance moves the limits after a segment that fits.
func (t *tcpTracker) advance(d direction, seg *segment, end, ack uint32) {
	sender, receiver := &t.windows[d], &t.windows[1-d]
	win := uint32(seg.win)
	if !seg.flags.has(flagSYN) {
		win <<= sender.scale
	}
	sender.maxWin = max(sender.maxWin, win)
	if before(sender.end, end) {
		sender.end, sender.unacked = end, true
	}
	if seg.flags.has(flagACK) && (!sender.acked || before(sender.maxAck, ack)) {
		sender.acked, sender.maxAck = true, ack
	}
	if receiver.maxWin != 0 && before(sender.maxEnd, end) {
		receiver.maxWin += end - sender.maxEnd
	}
	if !before(ack+win, receiver.maxEnd) {
		receiver.maxEnd = ack + max(1, win)
	}
	if ack == receiver.end {
		receiver.unacked = false
	}
	if seg.kind == kindACK {
		t.last.repeat(d, seg.seq, ack, end, seg.win)
	}
}

// repeat notes an acknowledgment, and counts if it is the same as the one before.
func (l *lastSegment) repeat(d direction, seq, ack, end uint32, win uint16) {
	if l.direction == d && l.seq == seq && l.ack == ack && l.end == end && l.win == win {
		l.repeats = min(l.repeats, 254) + 1
		return
	}
	l.direction, l.seq, l.ack, l.end, l.win, l.repeats = d, seq, ack, end, win, 0
}

// isStalled reports whether the connection may be dead: data is not acknowledged, acknowledgments are
// repeated, or a window is closed.
func (t *tcpTracker) isStalled() bool {
	return t.windows[forth].unacked || t.windows[back].unacked || t.last.repeats >= 3 || t.last.win == 0
}
