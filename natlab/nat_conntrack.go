package natlab

// tcpState is the state of a TCP connection as a NAT in the middle guesses it. Names and
// transitions are those of Linux's connection tracking.
type tcpState uint8

const (
	stateNone        tcpState = iota
	stateSynSent              // SYN from the opener
	stateSynReceived          // SYN+ACK
	stateEstablished          // ... acknowledged
	stateFinWait              // FIN from one side
	stateCloseWait            // ... acknowledged
	stateLastAck              // FIN from both sides
	stateTimeWait             // ... acknowledged
	stateClosed               // RST
	stateSynSent2             // SYN from both sides: simultaneous open
	states

	// Not states, but answers of the transition table.
	ignored // may belong to a connection this NAT has missed: passes, changes nothing
	refused // cannot belong to this connection
)

// segmentKind sorts TCP segments by the flag that matters most.
type segmentKind uint8

const (
	kindSYN segmentKind = iota
	kindSYNACK
	kindFIN
	kindACK
	kindRST
	kinds
	kindNone = kinds // none of these flags
)

// direction is the way a segment goes, seen from the side that opened the connection.
type direction uint8

const (
	forth direction = iota // from the opener
	back                   // to the opener
)

// transitions gives the next state of a connection for a segment that goes forth or back. The
// columns are the states in the order of the constants above.
var transitions = [2][kinds][states]tcpState{
	forth: {
		kindSYN: {stateSynSent, stateSynSent, ignored, ignored, ignored,
			ignored, ignored, stateSynSent, stateSynSent, stateSynSent2},
		kindSYNACK: {refused, refused, stateSynReceived, refused, refused,
			refused, refused, refused, refused, stateSynReceived},
		kindFIN: {refused, refused, stateFinWait, stateFinWait, stateLastAck,
			stateLastAck, stateLastAck, stateTimeWait, stateClosed, refused},
		kindACK: {stateEstablished, refused, stateEstablished, stateEstablished, stateCloseWait,
			stateCloseWait, stateTimeWait, stateTimeWait, stateClosed, refused},
		kindRST: {refused, stateClosed, stateClosed, stateClosed, stateClosed,
			stateClosed, stateClosed, stateClosed, stateClosed, stateClosed},
	},
	back: {
		kindSYN: {refused, stateSynSent2, refused, refused, refused,
			refused, refused, stateSynSent, refused, stateSynSent2},
		kindSYNACK: {refused, stateSynReceived, ignored, ignored, ignored,
			ignored, ignored, ignored, ignored, stateSynReceived},
		kindFIN: {refused, refused, stateFinWait, stateFinWait, stateLastAck,
			stateLastAck, stateLastAck, stateTimeWait, stateClosed, refused},
		kindACK: {refused, ignored, stateSynReceived, stateEstablished, stateCloseWait,
			stateCloseWait, stateTimeWait, stateTimeWait, stateClosed, ignored},
		kindRST: {refused, stateClosed, stateClosed, stateClosed, stateClosed,
			stateClosed, stateClosed, stateClosed, stateClosed, stateClosed},
	},
}

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
	scale     uint8
	scales    bool
}

// segment is a TCP segment with what the tracker needs of it.
type segment struct {
	packet   *packet
	flags    tcpFlags
	kind     segmentKind
	seq, ack uint32
	end      uint32
	win      uint16
}

func newSegment(p *packet) segment {
	s := segment{packet: p, flags: p.flags(), seq: p.seq(), ack: p.ack(), end: p.end(), win: p.window()}
	switch {
	case s.flags.has(flagRST):
		s.kind = kindRST
	case s.flags.has(flagSYN | flagACK):
		s.kind = kindSYNACK
	case s.flags.has(flagSYN):
		s.kind = kindSYN
	case s.flags.has(flagFIN):
		s.kind = kindFIN
	case s.flags.has(flagACK):
		s.kind = kindACK
	default:
		s.kind = kindNone
	}
	return s
}

// isSane reports whether the flags occur in any proper segment.
func (s *segment) isSane() bool {
	switch s.flags & (flagFIN | flagSYN | flagRST | flagACK | flagURG) {
	case flagSYN, flagSYN | flagURG, flagSYN | flagACK, flagRST, flagRST | flagACK,
		flagFIN | flagACK, flagFIN | flagACK | flagURG, flagACK, flagACK | flagURG:
		return true
	}
	return false
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

// judgeReset takes a reset, which anyone on the path may forge and a host sends for segments that
// were ignored here.
func (t *tcpTracker) judgeReset(d direction, seg *segment, check Checking) outcome {
	next := stateClosed
	other := &t.windows[1-d]
	ends := t.state >= stateFinWait && t.state <= stateClosed
	established := t.state == stateEstablished && t.assured
	if !ends && other.acked && t.last.kind != kindSYN && !(seg.seq == 0 && !established) {
		switch {
		case before(seg.seq, other.maxAck):
			return segmentRefused
		case !established, seg.seq == other.maxAck, t.continues(d, seg):
		default:
			next = t.state // may meet a challenge ACK, so the connection may live (RFC 5961)
		}
	}
	if ends || t.answersIgnored(d, seg) {
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
	if (t.answered && l.kind == kindSYN || !t.assured && l.kind == kindACK) && seg.ack == l.end {
		return true
	}
	return t.state == stateSynSent && l.kind == kindACK && l.direction == back && seg.seq == l.ack
}
