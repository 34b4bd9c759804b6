package server

import (
	"bytes"
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

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
