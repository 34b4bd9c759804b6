package server

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"

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
	connections int // guarded by registry.mu

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

func (g *registry) count() (rooms, nodes int) {
	g.mu.Lock()
	list := make([]*room, 0, len(g.rooms))
	for _, r := range g.rooms {
		list = append(list, r)
	}
	g.mu.Unlock()
	for _, r := range list {
		r.mu.Lock()
		nodes += len(r.members)
		r.mu.Unlock()
	}
	return len(list), nodes
}

// A registration is what a connection is to its room. It is guarded by the room's lock.
type registration struct {
	profile  []byte // sealed; nil: not registered yet
	name     nameTag
	holes    []netip.AddrPort // seen on hole connections, newest first, other than the main connection's
	other    *sighting        // the newest of them in the other address family than the main connection; nil: none
	mapped   *netip.AddrPort  // where it was proven that a gateway forwards to the node; nil: nowhere
	behavior *behavior        // how its networks treat TCP; nil: it did not say
	primary  bool
	left     bool // the connection ended; it cannot register any more

	relayNever, relayAlways bool // what it wants of the relay; neither: where there is no direct path
	proxied                 bool // its address is that of a proxy, to which nobody can connect
	samples                 bool // it answers Sample
}

// A displacement is a connection that has to go because of another one's registration.
type displacement struct {
	conn *conn
	code wire.Refused_Code
}

// register makes c a member, or a transient, as m says; the room may have been told before. It returns the reason
// when it does not, and connections that lost their place.
func (r *room) register(c *conn, m *wire.Register, maxPerNode int, isAlive func(*conn) bool) (displaced []displacement, refusal wire.Refused_Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.left {
		return nil, wire.Refused_CODE_BUSY
	}
	if m.Primary {
		isSame := c.primary && bytes.Equal(c.profile, m.SealedProfile) && c.name == nameTag(m.NameTag) // as when a node has measured its network
		displaced, refusal = r.registerPrimaryLocked(c, nameTag(m.NameTag), isSame, isAlive)
	} else if holder := r.names[nameTag(m.NameTag)]; holder != nil && holder.node != c.node && isAlive(holder.primary) {
		refusal = wire.Refused_CODE_NAME_TAKEN
	} else {
		refusal = r.registerTransientLocked(c, maxPerNode)
	}
	if refusal == wire.Refused_CODE_UNSPECIFIED {
		c.profile, c.primary, c.name = m.SealedProfile, m.Primary, nameTag(m.NameTag)
		c.relayNever = m.Relay == wire.RelayPolicy_RELAY_POLICY_NEVER
		c.relayAlways = m.Relay == wire.RelayPolicy_RELAY_POLICY_ALWAYS
		c.proxied = m.Proxied
		c.samples = m.Samples
		c.behavior = keepBehavior(m, c.server.now())
	}
	return displaced, refusal
}

func (r *room) registerPrimaryLocked(c *conn, name nameTag, isSame bool, isAlive func(*conn) bool) (displaced []displacement, refusal wire.Refused_Code) {
	if holder := r.names[name]; holder != nil && holder.node != c.node {
		if isAlive(holder.primary) {
			return nil, wire.Refused_CODE_NAME_TAKEN
		}
		displaced = append(displaced, displacement{holder.primary, wire.Refused_CODE_NAME_TAKEN})
		r.removeLocked(holder)
	}
	if c.profile != nil && !c.primary {
		r.forgetTransientLocked(c)
	}
	m := r.members[c.node]
	if m == nil {
		m = &member{node: c.node, name: name}
		r.members[c.node] = m
	} else if m.primary != c {
		displaced = append(displaced, displacement{m.primary, wire.Refused_CODE_REPLACED})
	}
	isSame = isSame && m.primary == c && m.name == name
	if m.name != name {
		delete(r.names, m.name)
	}
	r.names[name] = m
	m.primary, m.name = c, name
	if !isSame {
		r.noteLocked(m)
	}
	return displaced, wire.Refused_CODE_UNSPECIFIED
}

func (r *room) registerTransientLocked(c *conn, maxPerNode int) (refusal wire.Refused_Code) {
	if c.profile != nil && !c.primary {
		return wire.Refused_CODE_UNSPECIFIED
	}
	if r.transients[c.node] >= maxPerNode-1 {
		return wire.Refused_CODE_BUSY
	}
	if m := r.members[c.node]; m != nil && m.primary == c {
		r.removeLocked(m)
	}
	if r.transients == nil {
		r.transients = map[identity.NodeID]int{}
	}
	r.transients[c.node]++
	return wire.Refused_CODE_UNSPECIFIED
}

func (r *room) forgetTransientLocked(c *conn) {
	if r.transients[c.node]--; r.transients[c.node] == 0 {
		delete(r.transients, c.node)
	}
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

// whereabouts returns what a peer of c is told: its profile and name, where it was seen, newest first, and where it is mapped;
// nowhere if it is not to be dialled.
func (r *room) whereabouts(c *conn) (profile []byte, name nameTag, observed, mapped []*wire.Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.relayAlways {
		return c.profile, c.name, nil, nil // its address is nobody's business
	}
	if c.mapped != nil {
		mapped = append(mapped, wire.NewEndpoint(*c.mapped))
	}
	for _, hole := range c.holes {
		observed = append(observed, wire.NewEndpoint(hole))
	}
	if !c.proxied {
		observed = append(observed, wire.NewEndpoint(c.remote))
	}
	return c.profile, c.name, observed, mapped
}

// answersSample reports whether c can show a new mapping of its network.
func (r *room) answersSample(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.registration.samples && !c.proxied && !c.relayAlways
}

// isMapped reports whether a gateway was proven to forward to c.
func (r *room) isMapped(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.mapped != nil
}

// relayPolicy is what c wants of the relay.
func (r *room) relayPolicy(c *conn) (never, always bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.relayNever, c.relayAlways
}

// sees reports whether c was seen at an address, on whatever port.
func (r *room) sees(c *conn, addr netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !c.proxied && addr == c.remote.Addr() || slices.ContainsFunc(c.holes, func(h netip.AddrPort) bool { return h.Addr() == addr })
}

// setMapped notes where c was proven to be mapped, nil for nowhere, and reports whether peers did not know the endpoint before.
func (r *room) setMapped(c *conn, endpoint *netip.AddrPort) (isNew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.mapped = endpoint
	return endpoint != nil && *endpoint != c.remote && !slices.Contains(c.holes, *endpoint)
}

// observe notes that c was seen at addr on a hole connection to local. Of each address family the newest is kept.
func (r *room) observe(c *conn, addr netip.AddrPort, local netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if addr == c.remote {
		return
	}
	isOther := func(a netip.AddrPort) bool { return a.Addr().Is4() != c.remote.Addr().Is4() }
	if isOther(addr) {
		c.other = &sighting{addr, local}
	}
	holes := append([]netip.AddrPort{addr}, slices.DeleteFunc(c.holes, func(a netip.AddrPort) bool { return a == addr })...)
	for len(holes) > wire.MaxObserved-1 {
		last := len(holes) - 1
		if isOther(holes[last]) && !slices.ContainsFunc(holes[:last], isOther) {
			last--
		}
		holes = slices.Delete(holes, last, last+1)
	}
	c.holes = holes
}
