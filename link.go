package bodkin

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/session"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A link is a session with a peer, over a line that outlives its carriers.
type link struct {
	peer     NodeID
	name     string
	dialOnly bool // the peer's end takes no calls

	local  Addr // this node's end
	dialer bool // this node began it
	opened time.Time
	leave  context.CancelFunc // has serve end it

	session *session.Session
	line    *line.Line
	control *control

	// Ways to other paths.
	improved pace                           // when a direct path was last looked for, if it is relayed
	back     comeback                       // to the two ports of the carrier that was lost
	later    atomic.Pointer[wire.AttemptID] // by which the peer may come back at any time; nil: it waits for no path
	home     atomic.Pointer[origin]         // of the newest carrier between the usual ports of both
	turns    atomic.Uint32                  // since the path was lost, in which nobody was asked; see unknownTurns
	known    comeback                       // to where the peer was, with nobody's introduction
	kept     atomic.Pointer[keptRelay]      // the newest; nil if there is none
	seeks    atomic.Uint32                  // seeksNothing, or for what a further carrier is being looked for
	compares comparing
}

// An origin is what is known of a carrier of a link from the attempt that made it.
type origin struct {
	path    Path
	socket  net.Conn // under the carrier
	attempt wire.AttemptID
	marks   marks
	born    time.Time     // when the mapping of its local port was made
	rtt     time.Duration // a round trip, or a little more, when it was made; zero: not known
	back    bool          // it came back by itself
	secret  record.Secret // for the next one between its two ends; zero if there is none
}

// origin returns that of the carrier in use; the zero origin while there is none.
func (l *link) origin() origin {
	carrier, ok := l.line.Carrier()
	if !ok {
		return origin{}
	}
	return carrier.Label.(origin)
}

// path returns the way the bytes go now; the zero Path while there is none.
func (l *link) path() Path { return l.choiceOf(l.origin().path) }

// close ends a link at both ends. With no path nobody hears a goodbye.
func (l *link) close() {
	if l.path().Kind == 0 {
		l.line.Close()
	}
	l.session.Close()
}

func (l *link) alive() bool {
	select {
	case <-l.session.Done():
		return false
	default:
		return true
	}
}

// forgetHome forgets what a carrier between the usual ports has left to both ends once it has ended, unless the session waits for a path.
func (l *link) forgetHome() {
	home := l.home.Load()
	if home == nil || l.path().Kind == 0 {
		return
	}
	for _, c := range l.line.Carriers() {
		if c.Label.(origin).attempt == home.attempt {
			return
		}
	}
	l.home.CompareAndSwap(home, nil)
}
