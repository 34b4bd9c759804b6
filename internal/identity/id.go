package identity

import (
	"crypto/ed25519"
	"fmt"
	"strings"
)

// A NodeID names a node: it is the node's Ed25519 public key. Its text form is
// "node1" and 58 characters. The zero NodeID names nobody.
type NodeID [ed25519.PublicKeySize]byte

// A ServerID names a rendezvous server, by its Ed25519 public key: "server1...".
type ServerID [ed25519.PublicKeySize]byte

// A RoomID names a room, by its Ed25519 public key: "room1...". It is no secret,
// but only members and their servers have a use for it.
type RoomID [ed25519.PublicKeySize]byte

// ParseNodeID reads the text form of a node id, in any case and wrapped or grouped by
// white space. Its errors are of type [*TextError].
func ParseNodeID(text string) (NodeID, error) { return parseID[NodeID](nodePrefix, text) }

// ParseServerID does for server ids what [ParseNodeID] does for node ids.
func ParseServerID(text string) (ServerID, error) { return parseID[ServerID](serverPrefix, text) }

// ParseRoomID does for room ids what [ParseNodeID] does for node ids.
func ParseRoomID(text string) (RoomID, error) { return parseID[RoomID](roomPrefix, text) }

func parseID[ID ~[ed25519.PublicKeySize]byte](prefix, text string) (ID, error) {
	data, err := parse(prefix, text)
	if err != nil {
		return ID{}, err
	}
	if len(data) != ed25519.PublicKeySize {
		k := kindOf(prefix)
		return ID{}, &TextError{k.name, 0, fmt.Sprintf("%d bytes long in place of %d", len(data), ed25519.PublicKeySize), ErrWrongKind}
	}
	return ID(data), nil
}

// String returns the text form.
func (id NodeID) String() string { return encode(nodePrefix, id[:]) }

// String returns the text form.
func (id ServerID) String() string { return encode(serverPrefix, id[:]) }

// String returns the text form.
func (id RoomID) String() string { return encode(roomPrefix, id[:]) }

// Short returns the first eight characters behind the prefix, 40 bits of the key: enough to tell the
// nodes of a list apart, too few to recognise one by, since a key with given 40 bits can be searched for.
func (id NodeID) Short() string { return id.String()[len("node1"):][:8] }

// Short does for servers what [NodeID.Short] does for nodes.
func (id ServerID) Short() string { return id.String()[len("server1"):][:8] }

// Short does for rooms what [NodeID.Short] does for nodes.
func (id RoomID) Short() string { return id.String()[len("room1"):][:8] }

// Grouped returns the text form in groups of four, for two people who compare it aloud.
// [ParseNodeID] reads it back.
func (id NodeID) Grouped() string {
	body := id.String()[len("node1"):]
	var text strings.Builder
	text.WriteString("node1")
	for len(body) > 0 {
		n := min(4, len(body))
		text.WriteString(" " + body[:n])
		body = body[n:]
	}
	return text.String()
}

// IsZero tells whether id names nobody.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// IsZero tells whether id names no server.
func (id ServerID) IsZero() bool { return id == ServerID{} }

// IsZero tells whether id names no room.
func (id RoomID) IsZero() bool { return id == RoomID{} }

// MarshalText returns the text form.
func (id NodeID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id ServerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id RoomID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is [ParseNodeID].
func (id *NodeID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseNodeID(string(text))
	return err
}

// UnmarshalText is [ParseServerID].
func (id *ServerID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseServerID(string(text))
	return err
}

// UnmarshalText is [ParseRoomID].
func (id *RoomID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseRoomID(string(text))
	return err
}
