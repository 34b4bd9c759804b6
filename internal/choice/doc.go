// Package choice decides which of the paths of a session is to be used, from what was measured of them: round trip, loss, and what they
// brought. It is pure: the time and the measurements come as arguments.
//
// A direct path stays as long as it is not bad in itself. Only then is it compared with others, and left only if another is better by a
// wide margin and for a while. By the relay the margin is widest, because its operator pays for every byte. The way back is taken
// as soon as the direct path is nearly as good, and each move within an hour makes the wait for the next one twice as long: a path whose quality
// alternates cannot have a session flap.
package choice

import "time"

const (
	// badLoss is the loss from which a direct path is compared with others.
	badLoss = 0.02
	// goodLoss is the loss below which a direct path is used again rather than the relay.
	goodLoss = 0.01
	// A direct path is also compared with others if its round trip is beyond badFactor and badBeyond of that by the relay, as far as both sides'
	// distance from the server tells, or beyond badAlone where that is not known, and in any case beyond badEver.
	badFactor = 1.5
	badBeyond = 40 * time.Millisecond
	badAlone  = 200 * time.Millisecond
	badEver   = 500 * time.Millisecond // what the server tells may have been measured in a bad moment
	// The relay is used if its cost is at most relayFactor of the direct path's, and relayBeyond less.
	relayFactor = 0.5
	relayBeyond = 40 * time.Millisecond
	// Another direct path is used from directFactor and directBeyond on.
	directFactor = 0.75
	directBeyond = 20 * time.Millisecond
	// A direct path is used again rather than the relay if its cost is at most backFactor of the relay's, or its round trip is and it loses
	// little: that is far from where it was left.
	backFactor = 1.33

	// badFor is how long a path must be bad until others are looked for, and holds how long another must be better until it is used.
	badFor = 2 * time.Second
	holds  = 2 * time.Second
	// restFirst is how long after a move the next one is at the earliest; each within calm makes it twice as long, up to restLast.
	restFirst = 10 * time.Second
	restLast  = 10 * time.Minute
	calm      = time.Hour
	// Others are looked for again after seekFirst, or vainFirst if the relay was used in vain, doubling up to seekLast until the direct
	// path has been good for calm.
	seekFirst = 30 * time.Second
	vainFirst = 10 * time.Minute
	seekLast  = 2 * time.Hour
	// keep is how long an unused path is measured for.
	keep = 15 * time.Second
	// trialTime is how long after a move of a session that had more to send than its path took it is looked at what that brought. By
	// the relay it must be brought by trialGain.
	trialTime = 6 * time.Second
	settle    = 2 * time.Second
	trialGain = 1.25
)

// A Path is what one reading tells of one path.
type Path struct {
	ID      uint64
	Relayed bool
	InUse   bool
	RTT     time.Duration // the least since the last reading; zero: none was measured

	// How many packets this end sent since the last reading, and how many of them again, if that is known; and which share the peer did.
	Known          bool
	Sent, Repeated int
	PeerLoss       float64
}

// A Reading is what a Judge judges by.
type Reading struct {
	Now      time.Time
	Paths    []Path
	RelayRTT time.Duration // by the relay, as the distances from the server tell; zero: unknown
	MayRelay bool          // this node's settings allow the relay
	Pressed  bool          // one of the ends has more to send than the path takes
	Moved    uint64        // bytes of the session that have come over, both ways together
}

// Advice is what is to be done now.
type Advice struct {
	SeekDirect, SeekRelayed bool     // another path is wanted, to be compared
	Use                     uint64   // the path to use; zero: it stays
	Drop                    []uint64 // paths that are needed no more
	Why                     string   // of Use: what is wrong with the direct path; empty if it is used
	Alert                   bool     // the next reading is wanted soon, with new pings
}
