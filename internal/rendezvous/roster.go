package rendezvous

import (
	"bytes"
	"context"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A member is what the server tells of a node that is here.
type member struct {
	sealed []byte // its profile
	tag    [wire.NameTagLen]byte
}

func (m member) equal(other member) bool {
	return m.tag == other.tag && bytes.Equal(m.sealed, other.sealed)
}

// rosterMax bounds how many nodes a server can make us remember.
const rosterMax = 200_000

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

// begin takes the beginning of a snapshot.
func (r *roster) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot, r.synced = map[identity.NodeID]struct{}{}, false
}

// apply takes what the server tells of a node, in a snapshot or after it.
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

// disconnected notes the end of a connection: the next one tells all anew.
func (r *roster) disconnected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot, r.synced = nil, false
}

// end lets all views end.
func (r *roster) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for v := range r.views {
		v.poke()
	}
}
