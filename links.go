package bodkin

import (
	"fmt"
	"slices"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// sessionsOfPeer is how many sessions a node has with one peer. A peer needs one for itself, and one for each of its commands, of which the
// server lets 16 run at once; those of commands that were killed are among them until they are given up.
const sessionsOfPeer = 64

// errCrowded ends a session for a newer one of the same peer.
var errCrowded = fmt.Errorf("bodkin: the peer has more than %d sessions", sessionsOfPeer)

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

// add takes a link in, and tells whether the node is still open. If the peer has too many then, crowded is the one that is to end.
func (t *links) add(l *link) (crowded *link, open bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, false
	}
	if t.byPeer == nil {
		t.byPeer = map[NodeID][]*link{}
	}
	crowded = mostNeedless(t.byPeer[l.peer])
	t.byPeer[l.peer] = append(t.byPeer[l.peer], l)
	return crowded, true
}

// mostNeedless returns one of as many links as a peer may have, or more: the oldest without a path if there is one, else the oldest without
// streams, else the oldest. It returns nil if there are fewer.
func mostNeedless(all []*link) (needless *link) {
	running, least := 0, 3
	for _, l := range all {
		if l.line.Err() != nil {
			continue
		}
		running++
		use := 2
		switch {
		case l.path().Kind == 0:
			use = 0
		case l.session.Stats().Streams == 0:
			use = 1
		}
		if use < least {
			needless, least = l, use
		}
	}
	if running < sessionsOfPeer {
		return nil
	}
	return needless
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

// of returns the link with a peer over a line; nil if there is none.
func (t *links) of(peer NodeID, id line.ID) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.byPeer[peer] {
		if l.line.ID() == id && l.line.Err() == nil {
			return l
		}
	}
	return nil
}

// with returns the links with a peer.
func (t *links) with(peer NodeID) []*link {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*link(nil), t.byPeer[peer]...)
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

// waiting returns the newest session with a peer that has no path; nil if there is none.
func (t *links) waiting(who target) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var newest *link
	for id, all := range t.byPeer {
		for _, l := range all {
			if who.matches(id, l.name) && l.line.Err() == nil && l.path().Kind == 0 {
				newest = l
			}
		}
	}
	return newest
}

// alive returns the newest session with a peer that is not over, with a path or without; nil if there is none.
func (t *links) alive(peer NodeID) *link {
	for _, l := range slices.Backward(t.with(peer)) {
		if l.line.Err() == nil {
			return l
		}
	}
	return nil
}

// common returns some peers with direct sessions that may have one with l's peer, too, each once.
func (t *links) common(l *link) []*link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var some []*link
	for peer, all := range t.byPeer {
		for _, other := range slices.Backward(all) {
			if peer != l.peer && other.line.Err() == nil && other.path().Kind == Direct && len(some) < commonPeers {
				some = append(some, other)
				break
			}
		}
	}
	return some
}

// wanting returns the link to a peer that a carrier of some rank would help: the newest that has none, or a worse one; for a carrier
// beside another, one that looks for it, or else the newest.
func (t *links) wanting(peer NodeID, rank uint8, beside bool) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var best *link
	for _, l := range t.byPeer[peer] {
		if l.line.Err() != nil || l.dialOnly {
			continue
		}
		carrier, connected := l.line.Carrier()
		switch {
		case !connected || carrier.Rank < rank:
			best = l
		case beside && (best == nil || l.seeks.Load() != seeksNothing):
			best = l
		}
	}
	return best
}

// over returns the link over a line; nil if it is not there yet, or any more.
func (t *links) over(over *line.Line) *link {
	for _, l := range t.all() {
		if l.line == over {
			return l
		}
	}
	return nil
}
