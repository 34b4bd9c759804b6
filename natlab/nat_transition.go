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
