package bodkin

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A link is a session with a peer and what is known of its path.
type link struct {
	peer     NodeID
	name     string
	dialOnly bool // the peer's end takes no calls
	session  *session.Session
	socket   net.Conn // under the session
	local    Addr     // this node's end
	path     Path
	attempt  wire.AttemptID
	improved pace // when a direct path was last looked for, if it is relayed
	marks    marks
	opened   time.Time
}

// links is the sessions of a node. A peer may have several: one to the node itself, others to commands that only dial.
type links struct {
	mu     sync.Mutex
	byPeer map[NodeID][]*link // newest last
	closed bool
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

// to returns the best live link that takes calls, to the peer with this id or name; nil if there is none.
func (t *links) to(who target) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var best *link
	for id, all := range t.byPeer {
		if !who.id.IsZero() && id != who.id {
			continue
		}
		for _, l := range all {
			if who.matches(l.peer, l.name) && !l.dialOnly && l.alive() && (best == nil || l.betterThan(best)) {
				best = l
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

// betterThan prefers a direct link to a relayed one, and then the newer.
func (l *link) betterThan(other *link) bool {
	if l.path.Kind != other.path.Kind {
		return l.path.Kind == Direct
	}
	return l.opened.After(other.opened)
}

// close ends all sessions and takes no more.
func (t *links) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	var closing sync.WaitGroup // at once: each may wait for a peer that is gone
	for _, l := range t.all() {
		closing.Go(func() { l.session.Close() })
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

func (l *link) alive() bool {
	select {
	case <-l.session.Done():
		return false
	default:
		return true
	}
}

// establish makes a session of the connection that an attempt gave, and serves it until it ends.
func (n *Node) establish(a *attempt, peer profile, result *punch.Result) (*link, error) {
	dialer := a.role == rendezvous.Dialer
	path := pathOf(result)
	if path.Kind == Direct { // with the relay TCP opens, and ends, as usual
		if dialer {
			resetAtEnd(result.Socket)
		}
		n.distrustRoundTrip(result)
	}
	s, err := session.New(result.Conn, dialer, session.Config{})
	if err != nil {
		result.Conn.Close()
		return nil, err
	}
	l := &link{
		peer:     a.peer,
		name:     peer.name,
		dialOnly: peer.dialOnly,
		session:  s,
		socket:   result.Socket,
		local:    Addr{Node: n.id, Name: n.config.Name},
		path:     path,
		attempt:  a.id,
		marks:    marksOf(a, result),
		opened:   time.Now(),
	}
	if !n.links.add(l) {
		s.Close()
		return nil, n.Err()
	}
	timing := l.marks.since(a.introduced)
	n.log.Info("linked", "peer", l.name, "path", l.path.Kind, "remote", l.path.Remote, "secured", timing.Secured,
		"rounds", timing.Rounds, "syns", timing.SYNs)
	n.roster.linked(l)
	n.dials.fulfil(l)
	n.tasks.Go(func() { n.serve(l) })
	return l, nil
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
func (n *Node) serve(l *link) {
	for {
		stream, err := l.session.Accept(n.ctx)
		if err != nil {
			break
		}
		n.services.deliver(l, stream)
	}
	l.session.Close()
	n.relays.forget(l.attempt)
	n.log.Info("link ended", "peer", l.name, "err", l.session.Err())
	n.roster.unlinked(l, n.links.remove(l))
}
