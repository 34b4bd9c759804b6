package bodkin

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// NodeID names a node: it is the node's Ed25519 public key. Its text form begins with "node1" and carries a checksum.
type NodeID = identity.NodeID

// Key is a node's private key. The zero Key is none.
type Key = identity.Key

// Invite is what a node needs to join a room: where the server is, the server's key and the room's secret. Whoever
// holds it may join, so it is to be kept like a password.
type Invite = identity.Invite

// ParseNodeID reads the text form of a node id.
func ParseNodeID(text string) (NodeID, error) { return identity.ParseNodeID(text) }

// ParseInvite reads the text form of an invite ("bodkin1..."). Spaces and line breaks inside are passed over; an error
// tells a typing error from a text of another kind.
func ParseInvite(text string) (Invite, error) { return identity.ParseInvite(text) }

// NewKey makes a key.
func NewKey() (Key, error) { return identity.NewKey() }

// LoadOrCreateKey reads the key in the file at path, or makes one there that only its owner can read. It refuses a file
// that others can read, and one that is damaged.
func LoadOrCreateKey(path string) (Key, error) { return identity.LoadOrCreateKey(path) }

const (
	// maxConnections is the most that a session uses at once.
	maxConnections = 8
	// usualConnections is how many it may use if nothing else is said: fewer than a browser opens to one server.
	usualConnections = 4
)

// Config says how to [Join] a room. Only Invite is needed.
type Config struct {
	// Invite says which room, and by which server.
	Invite Invite

	// Key is who this node is. Zero means a new key for as long as the node runs.
	Key Key

	// Name is how others in the room may call this node: 1 to 63 lower-case letters, digits and hyphens. Zero means the
	// host's name.
	Name string

	// KnownPeers keeps names with the nodes that were met first under them. A node that goes by another's name is refused, with a
	// [*KeyChangedError], whoever dials. Nil means that a name is whose the server says at the time.
	KnownPeers KnownPeers

	// Port is the local TCP port that everything leaves from. Zero means a free one between 20000 and 60000. Asking for
	// the same port each time keeps mappings and firewall rules useful over restarts.
	Port uint16

	// DialOnly makes a node that others cannot see or dial. Any number of them may run with one Key, beside the one
	// node that can be dialled.
	DialOnly bool

	// NoPortMapping leaves the gateway of the network alone, which is otherwise asked to forward the node's port (by PCP,
	// NAT-PMP and UPnP), so that peers behind any NAT can connect. See Status.PortMapping.
	NoPortMapping bool

	// NoLAN leaves out local discovery by multicast DNS, by which nodes on one link find each other without the server.
	NoLAN bool

	// NoIntroductions leaves out introducing other nodes of the room to each other while the server is away. They tell this node
	// nothing that members of the room may not know, and their bytes do not pass it.
	NoIntroductions bool

	// Mesh links this node to every other of the room as it comes, so that all of them can talk on when the server goes.
	Mesh bool

	// Relay says when this node lets the server relay its bytes. Zero means RelayAuto.
	Relay RelayPolicy

	// PathWait is how long a session may be without a path to its peer, its streams waiting, until it ends. Zero means 5
	// minutes. A path is looked for all the while.
	PathWait time.Duration

	// Connections is how many direct TCP connections a session may use at once, at most 8, if the peer allows as many. Zero means 4. More
	// than one are used only while a session has for over a second had more to send than one brings, as where a provider caps each connection,
	// and only as many as bring a tenth more each time they double. Where several programs share a narrow path, each of those
	// connections takes a share of its own; one keeps a session at one share.
	Connections int

	// Search lets this node look for a peer among random ports, if the peer's Config has it too and nothing better is known: where one
	// of the two NATs gives each connection another port at random. It takes up to 512 sockets on each side and 2 s, succeeds in 98 of 100
	// times, and may look like a port scan to others, so it is off by default. A pair that failed does not search again for an hour.
	Search bool

	// Patient lets Join wait for a server that cannot be reached, as long as its context allows. Otherwise it returns
	// ErrServerUnreachable once every address has failed.
	Patient bool

	// Within runs open, which opens a socket, where sockets are to be opened: in another network namespace, for
	// instance; the Do of a natlab.Host is such a function. Zero means here.
	Within func(open func() error) error

	// Log is told what happens: at the levels Debug and Info, at Warn what its owner may want to look at, at Error what no direct
	// connection can do without. Zero means silence.
	Log *slog.Logger

	system system // nil: this machine, as Within sees it
}

// withDefaults returns c with its zero fields filled in, or why it cannot be.
func (c Config) withDefaults() (Config, error) {
	if len(c.Invite.Servers) == 0 {
		return c, errors.New("bodkin: Config.Invite is missing")
	}
	if c.Key.IsZero() {
		key, err := identity.NewKey()
		if err != nil {
			return c, err
		}
		c.Key = key
	}
	if c.Name == "" {
		c.Name = HostName()
	}
	if err := CheckName(c.Name); err != nil {
		return c, err
	}
	if c.Relay > RelayAlways {
		return c, fmt.Errorf("bodkin: Config.Relay is %d", c.Relay)
	}
	if c.PathWait < 0 {
		return c, fmt.Errorf("bodkin: Config.PathWait is %v", c.PathWait)
	}
	if c.PathWait == 0 {
		c.PathWait = 5 * time.Minute
	}
	if c.Connections < 0 || c.Connections > maxConnections {
		return c, fmt.Errorf("bodkin: Config.Connections is %d, want at most %d", c.Connections, maxConnections)
	}
	if c.Connections == 0 {
		c.Connections = usualConnections
	}
	if c.system == nil {
		c.system = machine{c.Within}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
