package natlab

// outcome is what tracking says about a segment.
type outcome uint8

const (
	segmentRefused  outcome = iota // not part of the connection
	segmentIgnored                 // passes, but says nothing about the connection
	segmentFollowed                // passes, and its state and timeout are up to date
	segmentReopens                 // opens the connection anew: the entry is to be replaced
)

// A tcpTracker follows one TCP connection. Its zero value has seen nothing.
type tcpTracker struct {
	insideOpened bool // the first segment came from inside
	answered     bool // a segment has gone back
	assured      bool // acknowledged both ways
	simultaneous bool // both sides sent SYN
	challenge    bool // a SYN met stateLastAck, so the next ACK back may be a challenge (RFC 5961)
	state        tcpState
	windows      [2]window // by the direction of what the side sends
	last         lastSegment
}

// lastSegment is what a tcpTracker remembers of the segment before.
type lastSegment struct {
	kind      segmentKind
	direction direction
	seq, ack  uint32
	end       uint32
	win       uint16
	repeats   uint8 // how often the same acknowledgment has come since
	scale     uint8
	scales    bool
}

// follow takes the next segment of the connection.
func (t *tcpTracker) follow(fromInside bool, p *packet, check Checking) outcome {
	seg := newSegment(p)
	if t.state == stateNone {
		t.insideOpened = fromInside
	}
	d := forth
	if fromInside != t.insideOpened {
		d = back
	}
	var o outcome
	if check == CheckNothing {
		o = t.guess(d, &seg)
	} else {
		o = t.judge(d, &seg, check)
	}
	if fromInside != t.insideOpened && (o == segmentFollowed || o == segmentIgnored) {
		t.answered = true
	}
	return o
}

// guess follows a connection whose segments all pass, only to know its timeout.
func (t *tcpTracker) guess(d direction, seg *segment) outcome {
	if seg.kind == kindNone {
		return segmentIgnored
	}
	if seg.kind == kindSYN && t.state >= stateTimeWait && t.state != stateSynSent2 {
		*t = tcpTracker{insideOpened: t.insideOpened == (d == forth), state: stateSynSent}
		return segmentFollowed
	}
	next := transitions[d][seg.kind][t.state]
	if next >= states {
		return segmentIgnored
	}
	t.enter(d, seg, next)
	return segmentFollowed
}

// judge follows a connection as Linux does: only segments that its state, and with CheckWindows
// its windows, allow are part of it.
func (t *tcpTracker) judge(d direction, seg *segment, check Checking) outcome {
	if !seg.isSane() {
		return segmentRefused
	}
	if t.state == stateNone {
		t.begin(seg)
	}
	next := transitions[d][seg.kind][t.state]
	switch {
	case next == refused:
		return segmentRefused
	case next == ignored, next == stateSynSent && t.state >= stateTimeWait:
		if next != ignored && t.mayReopen(d) {
			return segmentReopens
		}
		if !t.resyncs(d, seg) {
			t.annotate(d, seg)
			return segmentIgnored
		}
		next = stateSynReceived
	case next == stateTimeWait && t.isChallenged(d, seg):
		t.challenge = false
		return segmentIgnored
	case seg.kind == kindRST:
		return t.judgeReset(d, seg, check)
	}
	return t.judgeWindow(d, seg, next, check)
}

// judgeWindow takes a segment whose state is right if its sequence numbers are, too.
func (t *tcpTracker) judgeWindow(d direction, seg *segment, next tcpState, check Checking) outcome {
	switch fit := t.fit(d, seg); {
	case fit == fits || check != CheckWindows || t.windows[d].liberal:
		t.enter(d, seg, next)
		return segmentFollowed
	case fit == late:
		return segmentIgnored
	default:
		return segmentRefused
	}
}

// enter moves to the next state.
func (t *tcpTracker) enter(d direction, seg *segment, next tcpState) {
	switch {
	case next == stateSynSent2:
		t.simultaneous = true
	case next == stateSynReceived && d == back && seg.kind == kindACK && t.simultaneous:
		next = stateEstablished // both have sent SYN+ACK, which the table does not know
	case next == stateFinWait && t.state != stateFinWait:
		t.windows[d].closes = true
	}
	if next == stateEstablished && t.answered &&
		(t.state == stateSynReceived || t.state == stateEstablished) {
		t.assured = true
	}
	t.state = next
	t.last.kind, t.last.direction = seg.kind, d
}

// mayReopen reports whether a SYN in this direction may replace a connection that has ended:
// one closed in order, or reset by the side that opens it anew.
func (t *tcpTracker) mayReopen(d direction) bool {
	return t.windows[forth].closes || t.windows[back].closes ||
		t.last.kind == kindRST && t.last.direction == d
}

// annotate keeps what an ignored segment says, in case its answer proves it right.
func (t *tcpTracker) annotate(d direction, seg *segment) {
	ack := t.last.ack
	if t.state == stateSynSent && seg.kind == kindACK && d == back {
		ack = seg.ack
	}
	t.last = lastSegment{kind: seg.kind, direction: d, seq: seg.seq, ack: ack, end: seg.end, win: seg.win}
	if seg.kind == kindSYN && d == forth {
		t.last.scale, t.last.scales = seg.packet.windowScale()
		t.challenge = t.state == stateLastAck
		t.simultaneous = false
	}
}

// resyncs reports whether a SYN+ACK answers a SYN that was ignored: the two ends have started anew
// and this NAT has not. It then starts anew as well.
func (t *tcpTracker) resyncs(d direction, seg *segment) bool {
	l := t.last
	if seg.kind != kindSYNACK || l.kind != kindSYN || l.direction == d || seg.ack != l.end {
		return false
	}
	t.windows[l.direction] = window{end: l.end, maxEnd: l.end, maxWin: max(1, uint32(l.win)),
		scale: l.scale, scales: l.scales}
	t.windows[d] = window{liberal: t.windows[d].liberal}
	t.challenge = false
	return true
}

// isChallenged reports whether what looks like the last ACK is a challenge ACK to a SYN.
func (t *tcpTracker) isChallenged(d direction, seg *segment) bool {
	return t.challenge && t.state == stateLastAck && seg.kind == kindACK &&
		t.last.kind == kindSYN && t.last.direction != d
}
