package server

import (
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A behavior is how a node's networks treat TCP, as it registered that. It is kept as it came, which takes some 40 bytes a family: a
// tenth of the message's.
type behavior struct {
	v4, v6 []byte // of a wire.Behavior; nil: none
	at     time.Duration
}

// keepBehavior is what a registration says at a time, nil if it says nothing.
func keepBehavior(m *wire.Register, now time.Duration) *behavior {
	if m.Behavior == nil && m.Behavior6 == nil {
		return nil
	}
	return &behavior{v4: pack(m.Behavior), v6: pack(m.Behavior6), at: now}
}

func pack(b *wire.Behavior) []byte {
	if b == nil {
		return nil
	}
	packed, err := proto.Marshal(b)
	if err != nil {
		return nil // cannot be: it was received
	}
	return packed
}

// unpack is a behavior that has been kept for a time.
func unpack(packed []byte, kept time.Duration) *wire.Behavior {
	var b wire.Behavior
	if packed == nil || proto.Unmarshal(packed, &b) != nil {
		return nil
	}
	if b.Last != nil {
		b.LastAgeMs = uint32(min(int64(b.LastAgeMs)+kept.Milliseconds(), math.MaxUint32))
	}
	return &b
}

// behavior returns what a peer of c is told of its networks; nothing if it is not to be dialled.
func (r *room) behavior(c *conn) (v4, v6 *wire.Behavior) {
	r.mu.Lock()
	kept, isSecret := c.registration.behavior, c.relayAlways
	r.mu.Unlock()
	if kept == nil || isSecret {
		return nil, nil
	}
	age := c.server.now() - kept.at
	return unpack(kept.v4, age), unpack(kept.v6, age)
}
