package rendezvous

import (
	"context"
	"iter"

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
