package server

import (
	"sync"
	"sync/atomic"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

type nameTag = [wire.NameTagLen]byte

// A registry knows the rooms in which somebody is. Everything about the nodes in a room is under the room's own lock, so
// rooms do not wait for each other.
type registry struct {
	mu    sync.Mutex
	rooms map[identity.RoomID]*room
}

// A room is the nodes that may see and reach each other.
type room struct {
	id          identity.RoomID
	connections int         // guarded by registry.mu
	ended       atomic.Bool // it is not served any more; see sweeper.endRooms

	mu         sync.Mutex
	members    map[identity.NodeID]*member
	names      map[nameTag]*member
	transients map[identity.NodeID]int // connections that only dial; nil: none
	news       newsLog
	watchers   map[*conn]*watcher // nil: none
	announcing bool               // waits for the announcer
}

// A member is a reachable node of a room.
type member struct {
	node    identity.NodeID
	primary *conn // nil: it left
	name    nameTag
	joined  uint64 // when, in the room's news
	changed uint64 // its latest place in the room's news
}

// enter returns the room, with one more connection in it.
func (g *registry) enter(id identity.RoomID) *room {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.rooms[id]
	if r == nil {
		r = &room{id: id, members: map[identity.NodeID]*member{}, names: map[nameTag]*member{}}
		g.rooms[id] = r
	}
	r.connections++
	return r
}

// leave takes back one enter.
func (g *registry) leave(r *room) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.connections--; r.connections == 0 {
		delete(g.rooms, r.id)
	}
}

// list is the rooms there are.
func (g *registry) list() []*room {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*room, 0, len(g.rooms))
	for _, r := range g.rooms {
		list = append(list, r)
	}
	return list
}

func (g *registry) count() (rooms, nodes int) {
	list := g.list()
	for _, r := range list {
		r.mu.Lock()
		nodes += len(r.members)
		r.mu.Unlock()
	}
	return len(list), nodes
}

func (r *room) removeLocked(m *member) {
	delete(r.members, m.node)
	delete(r.names, m.name)
	m.primary = nil
	r.noteLocked(m)
}

// leave forgets c. It may be called again.
func (r *room) leave(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.left {
		return
	}
	c.left = true
	delete(r.watchers, c)
	if m := r.members[c.node]; m != nil && m.primary == c {
		r.removeLocked(m)
	}
	if c.profile != nil && !c.primary {
		r.forgetTransientLocked(c)
	}
}

// find returns the connection on which the target of a dial by c is reachable, or nil. It looks in c's room alone, so a node of
// another room, one that is not here and one that never was are the same miss. A transient whose name another node has taken
// since reaches nobody, who would be called by the wrong one.
func (r *room) find(c *conn, m *wire.Dial) *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *member
	switch target := m.Target.(type) {
	case *wire.Dial_Node:
		found = r.members[identity.NodeID(target.Node)]
	case *wire.Dial_NameTag:
		found = r.names[nameTag(target.NameTag)]
	}
	if found == nil || found.node == c.node {
		return nil
	}
	if holder := r.names[c.name]; holder != nil && holder.node != c.node {
		return nil
	}
	return found.primary
}
