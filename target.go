package bodkin

import (
	"fmt"
	"strings"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A target is whom a caller means: a node id, the name of a node, or a name that is known to be a node's.
type target struct {
	id   NodeID // zero: by name alone
	name string // empty: by id alone
}

func parseTarget(peer string) (target, error) {
	if name := strings.ToLower(peer); validName(name) && !looksLikeID(name) {
		return target{name: name}, nil
	}
	if !looksLikeID(strings.ToLower(peer)) {
		return target{}, fmt.Errorf("bodkin: peer %q: neither a name (1 to %d of a-z, 0-9 and -) nor an id (node1...)", short(peer), wire.MaxName)
	}
	id, err := ParseNodeID(peer)
	if err != nil {
		return target{}, fmt.Errorf("bodkin: peer %q: %w", short(peer), err)
	}
	return target{id: id}, nil
}

// looksLikeID tells whether text was meant as a node id, so that a mistyped id is not taken for a name.
func looksLikeID(text string) bool { return len(text) > 30 && strings.HasPrefix(text, "node1") }

func (t target) matches(id NodeID, name string) bool {
	return (t.id.IsZero() || t.id == id) && (t.name == "" || t.name == name)
}

// short is text that somebody gave, cut to what an error has room for.
func short(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// CheckPeer tells why text cannot stand for a peer, which is the name of a node or its id. Nil does not mean that there is one.
func CheckPeer(text string) error {
	_, err := parseTarget(text)
	return err
}

// CheckService tells why text cannot be the name of a service: it has 1 to 128 bytes, all printable, and one name is reserved.
func CheckService(text string) error {
	if wire.Validate(&wire.StreamOpen{Service: text}) != nil {
		return fmt.Errorf("bodkin: service %q: want 1 to %d printable characters", short(text), wire.MaxService)
	}
	if text == wire.ControlService {
		return fmt.Errorf("bodkin: service %q is reserved for the nodes themselves", text)
	}
	return nil
}
