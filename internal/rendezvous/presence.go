package rendezvous

import (
	"bytes"
	"context"
	"iter"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// An Event is a change in the room.
type Event struct {
	Kind    EventKind
	Node    identity.NodeID       // zero for Synced
	Sealed  []byte                // the node's profile; nil for Left and Synced
	NameTag [wire.NameTagLen]byte // of the name that it registered; zero for Left and Synced
}

// A member is what the server tells of a node that is here.
type member struct {
	sealed []byte // its profile
	tag    [wire.NameTagLen]byte
}

func (m member) equal(other member) bool {
	return m.tag == other.tag && bytes.Equal(m.sealed, other.sealed)
}

// EventKind is what changed.
type EventKind uint8

// The kinds of events.
const (
	Joined  EventKind = 1
	Left    EventKind = 2
	Changed EventKind = 3
	// Synced says that all nodes that are in the room have been told. It comes once after Watch began, and after each reconnection.
	Synced EventKind = 4
)

func (k EventKind) String() string {
	switch k {
	case Joined:
		return "joined"
	case Left:
		return "left"
	case Changed:
		return "changed"
	}
	return "synced"
}

// rosterMax bounds how many nodes a server can make us remember.
const rosterMax = 200_000

// Watch yields who is in the room, as Joined, then Synced, and then what changes, until ctx ends or Run returns. A lost connection
// does not show as such: what changed meanwhile is told after it is back. Events on one node that come faster than they
// are taken become one.
func (c *Client) Watch(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		v := c.roster.open()
		defer c.roster.close(v)
		for {
			event, ok := c.roster.next(ctx, v)
			if !ok || !yield(event) {
				return
			}
		}
	}
}

// watch tells the server whether this node wants to know. Without a connection the next one will.
func (c *Client) watch(on bool) {
	c.send(&wire.ClientMessage{Body: &wire.ClientMessage_Watch{Watch: &wire.Watch{On: on}}})
}

// A roster is who is in the room, as far as the server told. It outlives connections.
type roster struct {
	ask func(on bool) // tells the server; does not block

	mu       sync.Mutex
	nodes    map[identity.NodeID]member
	snapshot map[identity.NodeID]struct{} // told of in the snapshot that is under way; nil: none is
	synced   bool                         // complete, on this connection
	views    map[*view]struct{}
	ended    bool
}

// A view is how far one Watch has told its caller. It has a place for each node at most, however slow the caller is.
type view struct {
	queue  []identity.NodeID // changed since they were told; the zero id stands for Synced
	queued map[identity.NodeID]struct{}
	told   map[identity.NodeID]member
	wake   chan struct{} // holds one
}

func newRoster(ask func(on bool)) *roster {
	return &roster{ask: ask, nodes: map[identity.NodeID]member{}, views: map[*view]struct{}{}}
}

// open begins a view with what is known. The first one has the server asked.
func (r *roster) open() *view {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := &view{queued: map[identity.NodeID]struct{}{}, told: map[identity.NodeID]member{}, wake: make(chan struct{}, 1)}
	r.views[v] = struct{}{}
	if len(r.views) == 1 {
		r.ask(true)
	}
	for id := range r.nodes {
		v.push(id)
	}
	if r.synced {
		v.push(identity.NodeID{})
	}
	if r.ended {
		v.poke()
	}
	return v
}

// close ends a view. After the last nothing is remembered.
func (r *roster) close(v *view) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.views, v)
	if len(r.views) == 0 {
		clear(r.nodes)
		r.snapshot, r.synced = nil, false
		r.ask(false)
	}
}

// next returns the next event of v, or false when there will be none.
func (r *roster) next(ctx context.Context, v *view) (Event, bool) {
	for {
		r.mu.Lock()
		event, ok := r.takeLocked(v)
		ended := r.ended
		r.mu.Unlock()
		if ok || ended {
			return event, ok
		}
		select {
		case <-ctx.Done():
			return Event{}, false
		case <-v.wake:
		}
	}
}

// takeLocked compares what v has told with what is.
func (r *roster) takeLocked(v *view) (Event, bool) {
	for len(v.queue) > 0 {
		id := v.queue[0]
		v.queue = v.queue[1:]
		delete(v.queued, id)
		if id.IsZero() {
			return Event{Kind: Synced}, true
		}
		now, isHere := r.nodes[id]
		told, wasTold := v.told[id]
		switch {
		case isHere && !wasTold:
			v.told[id] = now
			return Event{Joined, id, now.sealed, now.tag}, true
		case isHere && !now.equal(told):
			v.told[id] = now
			return Event{Changed, id, now.sealed, now.tag}, true
		case !isHere && wasTold:
			delete(v.told, id)
			return Event{Kind: Left, Node: id}, true
		}
	}
	return Event{}, false
}

func (v *view) push(id identity.NodeID) {
	if _, ok := v.queued[id]; !ok {
		v.queued[id] = struct{}{}
		v.queue = append(v.queue, id)
	}
	v.poke()
}

func (v *view) poke() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (r *roster) pushLocked(id identity.NodeID) {
	for v := range r.views {
		v.push(id)
	}
}

func (r *roster) isWatched() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.views) > 0
}

// begin, apply and complete take the server's messages; disconnected and end, the end of the connection and of all.

func (r *roster) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot, r.synced = map[identity.NodeID]struct{}{}, false
}

func (r *roster) apply(p *wire.Presence) {
	id := identity.NodeID(p.Node)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.views) == 0 || id.IsZero() {
		return
	}
	if p.Kind == wire.Presence_KIND_LEFT {
		delete(r.nodes, id)
		delete(r.snapshot, id)
	} else {
		if _, known := r.nodes[id]; !known && len(r.nodes) >= rosterMax {
			return
		}
		r.nodes[id] = member{p.SealedProfile, [wire.NameTagLen]byte(p.NameTag)}
		if r.snapshot != nil {
			r.snapshot[id] = struct{}{}
		}
	}
	r.pushLocked(id)
}

// complete ends a snapshot: who was not in it has left.
func (r *roster) complete() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.snapshot == nil || len(r.views) == 0 {
		return
	}
	for id := range r.nodes {
		if _, ok := r.snapshot[id]; !ok {
			delete(r.nodes, id)
			r.pushLocked(id)
		}
	}
	r.snapshot, r.synced = nil, true
	r.pushLocked(identity.NodeID{})
}

func (r *roster) disconnected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot, r.synced = nil, false
}

func (r *roster) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for v := range r.views {
		v.poke()
	}
}
