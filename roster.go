package bodkin

import (
	"context"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

// roster is what a node knows of the others in its room: who the server says is there, and whom it is linked with. It
// asks the server only once somebody wants to know.
type roster struct {
	mu       sync.Mutex
	started  bool
	online   map[NodeID]string // name of each node that the server says is there
	local    map[NodeID]string // name of each node that was heard on the link
	linkedTo map[NodeID]*link  // newest link of each
	known    KnownPeers        // nil: nobody is
	synced   chan struct{}     // closed once the server's first snapshot is complete

	connected, wasConnected bool          // to the server: now, ever
	lost                    chan struct{} // closed and replaced when the connection goes
	watchers                map[*watcher]struct{}
}

// useRoster starts the roster on first use, and returns it locked. The caller unlocks mu.
func (n *Node) useRoster() *roster {
	r := &n.roster
	r.mu.Lock()
	r.init()
	if !r.started {
		r.started = n.spawn(n.follow)
	}
	return r
}

// init makes the zero roster usable. The caller holds mu.
func (r *roster) init() {
	if r.online == nil {
		r.online = map[NodeID]string{}
		r.local = map[NodeID]string{}
		r.linkedTo = map[NodeID]*link{}
		r.synced, r.lost = make(chan struct{}), make(chan struct{})
		r.watchers = map[*watcher]struct{}{}
	}
}

// follow keeps the roster after the server's word, until the node ends.
func (n *Node) follow() {
	for event := range n.client.Watch(n.ctx) {
		name := ""
		if event.Kind == rendezvous.Joined || event.Kind == rendezvous.Changed {
			peer, err := n.open(event.Node, event.Sealed, event.NameTag)
			if err != nil {
				n.log.Warn("presence of a stranger passed over", "err", err)
				event.Kind = rendezvous.Left
			}
			name = peer.name
		}
		n.roster.apply(event, name)
	}
}

func (r *roster) apply(event rendezvous.Event, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch event.Kind {
	case rendezvous.Joined, rendezvous.Changed:
		r.come(r.online, event.Node, name)
	case rendezvous.Left:
		r.leave(r.online, event.Node)
	case rendezvous.Synced:
		if !isClosed(r.synced) {
			close(r.synced)
			r.publish(Event{Kind: Current})
		}
	}
}

// come notes that a node is there, as the server says or as was heard on the link. The caller holds mu.
func (r *roster) come(by map[NodeID]string, id NodeID, name string) {
	kind := Joined
	if r.peer(id).Online {
		kind = Changed
	}
	by[id] = name
	r.publish(Event{Kind: kind, Peer: r.peer(id)})
}

// leave notes that a node is not there any more. It has left when it is neither there by the other's word. The caller holds mu.
func (r *roster) leave(by map[NodeID]string, id NodeID) {
	was := r.peer(id)
	delete(by, id)
	if now := r.peer(id); now.Online || !was.Online {
		return
	}
	was.Online = false
	r.publish(Event{Kind: Left, Peer: was})
}

// near notes who was heard on the link.
func (r *roster) near(id NodeID, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.init()
	if _, online := r.online[id]; online { // nothing new
		r.local[id] = name
		return
	}
	r.come(r.local, id, name)
}

// notNear notes who is not heard any more.
func (r *roster) notNear(id NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.init()
	r.leave(r.local, id)
}

// agrees tells whether a node that claims a name on the link may be taken for it. The server says whose a name is, and what it said last
// counts while it is away.
func (r *roster) agrees(id NodeID, name string, connected bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.online[id] == name {
		return true
	}
	for other, its := range r.online {
		if its == name && other != id {
			return false
		}
	}
	return !connected
}

func (r *roster) linked(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.init()
	r.linkedTo[l.peer] = l
	r.publish(Event{Kind: Linked, Peer: r.peer(l.peer)})
}

// moved notes that a session goes another way, or has none.
func (r *roster) moved(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.linkedTo[l.peer] == l {
		r.publish(Event{Kind: Moved, Peer: r.peer(l.peer)})
	}
}

// unlinked notes the end of a link, and the one with the same peer that is left, if any.
func (r *roster) unlinked(l, left *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.linkedTo[l.peer] != l:
		return // a newer one is known
	case left != nil:
		r.linkedTo[l.peer] = left
		return
	}
	delete(r.linkedTo, l.peer)
	peer := r.peer(l.peer)
	peer.Name = l.name
	r.publish(Event{Kind: Unlinked, Peer: peer})
}

// peer is what is known of one node. The caller holds mu.
func (r *roster) peer(id NodeID) Peer {
	name, online := r.online[id]
	if !online {
		name, online = r.local[id]
	}
	p := Peer{ID: id, Name: name, Online: online}
	if l := r.linkedTo[id]; l != nil {
		path := l.path()
		p.Name, p.Path = l.name, &path
		stats := l.session.Stats()
		p.RTT, p.BytesIn, p.BytesOut = stats.RTT, stats.BytesIn, stats.BytesOut
	}
	p.Known = bearer(r.known, p.Name, id)
	return p
}

// peers is all known nodes, in no order. The caller holds mu.
func (r *roster) peers() []Peer {
	var all []Peer
	for id := range r.online {
		all = append(all, r.peer(id))
	}
	for id := range r.local {
		if _, listed := r.online[id]; !listed {
			all = append(all, r.peer(id))
		}
	}
	for id := range r.linkedTo {
		if !r.peer(id).Online {
			all = append(all, r.peer(id))
		}
	}
	return all
}

// serverSeen hears from the client that its connection came or went.
func (n *Node) serverSeen(state rendezvous.State) {
	r := &n.roster
	r.mu.Lock()
	defer r.mu.Unlock()
	r.init()
	switch {
	case r.connected && !state.Connected:
		close(r.lost)
		r.lost = make(chan struct{})
		r.publish(Event{Kind: ServerLost})
	case !r.connected && state.Connected && r.wasConnected:
		r.publish(Event{Kind: ServerBack})
	}
	r.connected = state.Connected
	r.wasConnected = r.wasConnected || state.Connected
}

// complete waits for the first snapshot of the room. Without a server it returns at once: what is known then is whom
// the node is linked with.
func (n *Node) complete(ctx context.Context) error {
	r := n.useRoster()
	synced, lost := r.synced, r.lost
	r.mu.Unlock()
	if isClosed(synced) || !n.client.State().Connected {
		return nil
	}
	timeout := time.NewTimer(dialTimeout)
	defer timeout.Stop()
	select {
	case <-synced:
	case <-lost:
	case <-timeout.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-n.done:
		return n.Err()
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
