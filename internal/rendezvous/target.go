package rendezvous

import (
	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A Target is whom to be introduced to.
type Target struct {
	node identity.NodeID
	name *[wire.NameTagLen]byte // nil: by node

	directOnly bool
	sampling   bool
	beside     bool
	relayed    bool
	returning  bool
}

// ByNode is the node of that id.
func ByNode(id identity.NodeID) Target { return Target{node: id} }

// ByNameTag is the node that holds the name of that tag.
func ByNameTag(tag [wire.NameTagLen]byte) Target { return Target{name: &tag} }

// DirectOnly is the target for an attempt without the relay.
func (t Target) DirectOnly() Target {
	t.directOnly = true
	return t
}

// Sampling is the target for an attempt before which the node shows a Sample by itself, at the same time.
func (t Target) Sampling() Target {
	t.sampling = true
	return t
}

// Beside is the target for an attempt that makes a connection beside one that the two have, from new ports on both sides.
func (t Target) Beside() Target {
	t.beside = true
	return t
}

// Relayed is the target for an attempt that makes a relayed connection beside one that the two have, and no other.
func (t Target) Relayed() Target {
	t.relayed, t.beside = true, true // for a server that knows only the latter
	return t
}

// Returning is the target for a relayed connection at once, in the place of one that is late. Another attempt between the two may run beside it.
func (t Target) Returning() Target {
	t = t.Relayed()
	t.returning = true
	return t
}

// IsBeside tells whether it is one of Beside.
func (t Target) IsBeside() bool { return t.beside }

// dial is the message that asks for an introduction to the target.
func (t Target) dial(request uint64) *wire.ClientMessage {
	dial := &wire.Dial{Request: request, Target: &wire.Dial_Node{Node: t.node[:]}}
	dial.DirectOnly, dial.Sampling, dial.Beside = t.directOnly, t.sampling, t.beside
	dial.Relayed, dial.Returning = t.relayed, t.returning
	if t.name != nil {
		dial.Target = &wire.Dial_NameTag{NameTag: t.name[:]}
	}
	return &wire.ClientMessage{Body: &wire.ClientMessage_Dial{Dial: dial}}
}
