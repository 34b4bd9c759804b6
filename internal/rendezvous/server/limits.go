package server

import (
	"cmp"
	"time"
)

// Limits bounds what nodes and strangers can cost the server. A zero field means its default, which is given with its reason.
// An address is an IPv4 address or an IPv6 /64, since whoever has one address of such a network has all.
type Limits struct {
	Connections           int // main connections at once. 1,000,000: 4 GiB of ours and of the kernel's at 4 KiB each
	ConnectionsPerAddress int // 4,096: many homes share an address behind a carrier's NAT
	ConnectionsPerNode    int // 16: one that is reachable, and commands that only dial

	Handshakes           int           // in flight at once; others wait in the kernel's queue. 1,024: 32 MiB, a second of two cores
	HandshakesPerAddress int           // 64: more than two cores do in the time of a round trip; 16 addresses fill Handshakes
	HandshakeTimeout     time.Duration // 5 s, as for a round trip of 300 ms with two SYNs lost
	HelloTimeout         time.Duration // of it, until the first whole message of the node. 2 s: it leaves at once, in two segments
	RegisterTimeout      time.Duration // from the handshake to the first message. 5 s: nodes send it at once

	MessagesPerSecond int // of one connection, in the long run. 100: ten attempts a second with all that can fail in them
	DialsPerSecond    int // of one node. 10
	DialsPerMinute    int // 60
	AttemptsPerNode   int // running at once on one connection, dialled or called. 64

	QueueBytes   int           // kept for a node that reads too slowly. 64 KiB: 20 of the largest messages
	WriteTimeout time.Duration // a node that takes nothing for so long is closed. 15 s

	PingInterval time.Duration // told to nodes. 20 s: NATs keep an idle mapping for minutes, cellular ones for 30 s at worst
	PingsMissed  int           // silence of so many intervals is an end. 3

	HoleConnections           int           // at once. 512, of 4 KiB each
	HoleConnectionsPerAddress int           // 32
	HoleTimeout               time.Duration // of a hole connection in all. 5 s

	HeldConnections           int // hole connections that nodes want held open at once, of 4 KiB each. 100,000
	HeldConnectionsPerAddress int // 1,024

	Proofs          int           // of mapped ports under way at once, of 4 KiB each. 64: a node asks once in hours
	ProofsPerMinute int           // to one address, in the long run and at once. 30: many homes share an address behind a carrier's NAT
	ProofTimeout    time.Duration // of a proof in all. 5 s, as for a hole connection

	DialBacks          int // under way at once, of up to four connections and 8 KiB each. 256: 100 nodes a second ask, for 2 s each
	DialBacksPerMinute int // to one address, in the long run and at once. 120: nodes ask when they start and when their network changes

	ReconnectsPerSecond int // how fast all nodes may come back after a restart. 500: half of what two cores do in full handshakes
}

func (l Limits) withDefaults() Limits {
	l.Connections = cmp.Or(l.Connections, 1_000_000)
	l.ConnectionsPerAddress = cmp.Or(l.ConnectionsPerAddress, 4096)
	l.ConnectionsPerNode = cmp.Or(l.ConnectionsPerNode, 16)
	l.Handshakes = cmp.Or(l.Handshakes, 1024)
	l.HandshakesPerAddress = cmp.Or(l.HandshakesPerAddress, 64)
	l.HandshakeTimeout = cmp.Or(l.HandshakeTimeout, 5*time.Second)
	l.HelloTimeout = cmp.Or(l.HelloTimeout, 2*time.Second)
	l.RegisterTimeout = cmp.Or(l.RegisterTimeout, 5*time.Second)
	l.MessagesPerSecond = cmp.Or(l.MessagesPerSecond, 100)
	l.DialsPerSecond = cmp.Or(l.DialsPerSecond, 10)
	l.DialsPerMinute = cmp.Or(l.DialsPerMinute, 60)
	l.AttemptsPerNode = cmp.Or(l.AttemptsPerNode, 64)
	l.QueueBytes = cmp.Or(l.QueueBytes, 64<<10)
	l.WriteTimeout = cmp.Or(l.WriteTimeout, 15*time.Second)
	l.PingInterval = cmp.Or(l.PingInterval, 20*time.Second)
	l.PingsMissed = cmp.Or(l.PingsMissed, 3)
	l.HoleConnections = cmp.Or(l.HoleConnections, 512)
	l.HoleConnectionsPerAddress = cmp.Or(l.HoleConnectionsPerAddress, 32)
	l.HoleTimeout = cmp.Or(l.HoleTimeout, 5*time.Second)
	l.HeldConnections = cmp.Or(l.HeldConnections, 100_000)
	l.HeldConnectionsPerAddress = cmp.Or(l.HeldConnectionsPerAddress, 1024)
	l.Proofs = cmp.Or(l.Proofs, 64)
	l.ProofsPerMinute = cmp.Or(l.ProofsPerMinute, 30)
	l.ProofTimeout = cmp.Or(l.ProofTimeout, 5*time.Second)
	l.DialBacks = cmp.Or(l.DialBacks, 256)
	l.DialBacksPerMinute = cmp.Or(l.DialBacksPerMinute, 120)
	l.ReconnectsPerSecond = cmp.Or(l.ReconnectsPerSecond, 500)
	return l
}

// silence is how long a node may be silent.
func (l Limits) silence() time.Duration { return time.Duration(l.PingsMissed) * l.PingInterval }
