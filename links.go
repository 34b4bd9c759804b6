package bodkin

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A link is a session with a peer, over a line that outlives its carriers.
type link struct {
	peer     NodeID
	name     string
	dialOnly bool // the peer's end takes no calls
	dialer   bool // this node began it
	session  *session.Session
	line     *line.Line
	local    Addr // this node's end
	improved pace // when a direct path was last looked for, if it is relayed
	opened   time.Time
	control  *control
	back     comeback                  // to the two ports of the carrier that was lost
	known    comeback                  // to where the peer was, with nobody's introduction
	kept     atomic.Pointer[keptRelay] // the newest; nil if there is none
	leave    context.CancelFunc        // has serve end it
	seeks    atomic.Uint32             // seeksNothing, or for what a further carrier is being looked for
	comparing
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

// links is the sessions of a node. A peer may have several: one to the node itself, others to commands that only dial.
type links struct {
	mu     sync.Mutex
	byPeer map[NodeID][]*link // newest last
	closed bool
	back   chan struct{} // closed when a session has got a carrier; nil while nobody waits for that
}

// anyBack returns a channel that is closed when some session has got a carrier.
func (t *links) anyBack() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.back == nil {
		t.back = make(chan struct{})
	}
	return t.back
}

// isBack tells those who wait that a session has got a carrier.
func (t *links) isBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.back != nil {
		close(t.back)
		t.back = nil
	}
}

// add takes a link in, and tells whether the node is still open.
func (t *links) add(l *link) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if t.byPeer == nil {
		t.byPeer = map[NodeID][]*link{}
	}
	t.byPeer[l.peer] = append(t.byPeer[l.peer], l)
	return true
}

// remove drops a link, and returns the newest one that is left with its peer; nil if it was the last.
func (t *links) remove(l *link) (left *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := slices.DeleteFunc(t.byPeer[l.peer], func(other *link) bool { return other == l })
	if len(rest) > 0 {
		t.byPeer[l.peer] = rest
		return rest[len(rest)-1]
	}
	delete(t.byPeer, l.peer)
	return nil
}

// to returns the best link that takes calls and has a path, to the peer with this id or name; nil if there is none.
func (t *links) to(who target) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var best *link
	var kind PathKind // of best
	for id, all := range t.byPeer {
		if !who.id.IsZero() && id != who.id {
			continue
		}
		for _, l := range all {
			if path := l.path(); path.Kind != 0 && who.matches(l.peer, l.name) && !l.dialOnly && l.alive() &&
				(best == nil || preferred(path.Kind, kind, yieldsTo(l.line.ID(), best.line.ID(), l.opened, best.opened))) {
				best, kind = l, path.Kind
			}
		}
	}
	return best
}

// all returns all links.
func (t *links) all() []*link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*link
	for _, some := range t.byPeer {
		all = append(all, some...)
	}
	return all
}

// preferred prefers a direct link to a relayed one, and then one that does not yield to the other.
func preferred(kind, other PathKind, yields bool) bool {
	if kind != other {
		return kind == Direct
	}
	return !yields
}

// close ends all sessions and takes no more.
func (t *links) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	var closing sync.WaitGroup // at once: each may wait for a peer that is gone
	for _, l := range t.all() {
		closing.Go(l.close)
	}
	closing.Wait()
}

// localAddr is this machine's address of a TCP connection; zero if it has none of that kind.
func localAddr(c net.Conn) netip.Addr {
	if tcp, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

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

// distrustRoundTrip keeps the kernel's false first measurement of a simultaneous open from slowing the carrier. A TLS
// handshake takes one round trip and some computing.
func (n *Node) distrustRoundTrip(result *punch.Result) {
	changed, err := reuseport.DistrustRoundTrip(result.Socket, result.Verified.Sub(result.Connected))
	if err != nil || changed != "" {
		n.log.Debug("false first round trip", "changed_to", changed, "err", err)
	}
}

// serve gives a link's streams to the node's services, until the link ends.
func (n *Node) serve(ctx context.Context, l *link) {
	for {
		stream, err := l.session.Accept(ctx)
		if err != nil {
			break
		}
		if stream.Service() == wire.ControlService {
			n.asked(l, stream)
			continue
		}
		n.services.deliver(l, stream)
	}
	l.session.Close()
	n.log.Info("link ended", "peer", l.name, "err", l.session.Err())
	n.roster.unlinked(l, n.links.remove(l))
}
