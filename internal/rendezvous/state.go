package rendezvous

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

// State is what a Client knows of its connection.
type State struct {
	Connected bool      // registered now; the rest is of the latest registration
	Since     time.Time // when its connection was begun
	Server    string    // as configured
	Proxied   bool      // through a proxy: Remote is zero, and Observed is the proxy's
	Remote    netip.AddrPort
	Local     netip.AddrPort
	Observed  netip.AddrPort // this node as the server sees it on the main connection
	RTT       time.Duration  // to the server; zero: not measured yet
	Holes     []Observation

	// How the networks between node and server treat TCP, and what that was read off.
	Behavior   natbehavior.Reports
	IPv4, IPv6 natbehavior.Evidence
	Measured   bool // all of it, but for the lifetime

	Mapped netip.AddrPort // where a gateway forwards to this node, as SetMapped was told; zero: nowhere
	Proof  Proof          // what the server says of it
}

// An Observation is what a hole connection showed.
type Observation struct {
	Server netip.AddrPort // where it went
	Seen   netip.AddrPort // where it came from, as the server saw it
}
