package bodkin

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// A Peer is what this node knows of another node of its room.
type Peer struct {
	ID       NodeID
	Name     string
	Online   bool          // the server says it is there (the last word while there is no server), or it was heard on the link
	Known    NodeID        // whom Config.KnownPeers knows by the name, if that is another node, so that this one is refused; else zero
	Path     *Path         // of the session with it; nil: no session; zero: the session waits for a path
	RTT      time.Duration // of the session, last measured; zero: not yet
	BytesIn  uint64        // of the session, since it began
	BytesOut uint64
}

// EventKind says what happened to a peer.
type EventKind uint8

// What can happen to a peer.
const (
	Joined     EventKind = iota + 1 // it is there
	Left                            // it is gone, says the server, and not heard on the link; a session with it may live on
	Changed                         // its addresses or name changed
	Linked                          // a session with it began
	Unlinked                        // the last session with it ended
	Current                         // no peer: those who were there already have all been told of
	ServerLost                      // no peer: the connection to the server broke; sessions live on
	ServerBack                      // no peer: it is back
	Moved                           // the session with it goes another way, Peer.Path, or waits for one
)

// String is the kind in lower case, as in JSON.
func (k EventKind) String() string {
	return [...]string{"none", "joined", "left", "changed", "linked", "unlinked", "current", "server-lost", "server-back", "moved"}[min(k, Moved)]
}

// An Event is something that happened to a peer.
type Event struct {
	Kind EventKind
	Peer Peer
}

// ErrSlowWatcher ends a [Node.Watch] whose caller took so long that events would have been lost.
var ErrSlowWatcher = errors.New("bodkin: watcher fell behind")

// watcherQueue is how many events may wait for a watcher.
const watcherQueue = 4096

// A watcher is one running Watch.
type watcher struct {
	events chan Event // closed if it ran full
}

// Peers lists the nodes of the room that are online, and those this node has a session with, by name. When the server is
// away it lists what is known.
func (n *Node) Peers(ctx context.Context) ([]Peer, error) {
	if err := n.complete(ctx); err != nil {
		return nil, err
	}
	if err := n.Err(); err != nil {
		return nil, err
	}
	r := n.useRoster()
	all := r.peers()
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.ID[:], b.ID[:]))
	})
	return all, nil
}

// Watch tells what happens in the room: first Joined, and Linked where there is a session, for everyone there already,
// then Current, then events as they come. It ends with ctx or the node; its last pair then has the reason.
func (n *Node) Watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := n.useRoster().watch() // unlocks
		defer n.roster.unwatch(w)
		for {
			select {
			case event, ok := <-w.events:
				if !ok {
					yield(Event{}, ErrSlowWatcher)
					return
				}
				if !yield(event, nil) {
					return
				}
			case <-ctx.Done():
				yield(Event{}, context.Cause(ctx))
				return
			case <-n.done:
				yield(Event{}, n.Err())
				return
			}
		}
	}
}

// watch begins a watcher with what is known. It expects mu to be held, and unlocks it.
func (r *roster) watch() *watcher {
	defer r.mu.Unlock()
	known := r.peers()
	w := &watcher{events: make(chan Event, watcherQueue+2*len(known)+1)}
	for _, peer := range known {
		if peer.Online {
			w.events <- Event{Kind: Joined, Peer: peer}
		}
		if peer.Path != nil {
			w.events <- Event{Kind: Linked, Peer: peer}
		}
	}
	if isClosed(r.synced) {
		w.events <- Event{Kind: Current}
	}
	r.watchers[w] = struct{}{}
	return w
}

func (r *roster) unwatch(w *watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watchers, w)
}

// publish tells the watchers. The caller holds mu.
func (r *roster) publish(event Event) {
	for w := range r.watchers {
		select {
		case w.events <- event:
		default:
			delete(r.watchers, w)
			close(w.events)
		}
	}
}
