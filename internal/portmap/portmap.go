// Package portmap has the gateway of a node's network forward the node's TCP port, by PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP
// IGD, and keeps it so: [Run] asks by all three at once, renews the mapping, notices that the gateway changed or restarted,
// and removes the mapping at its end.
//
// Whatever a gateway says is a claim by somebody on the local network. It is read within bounds, taken only from the
// gateway's own address, and says nothing of whether anybody outside can reach the port: that has to be proven from there.
//
//	portmap.go   what a caller sees          client.go    what the protocols have in common
//	run.go       when to ask, renew, look    link.go      packets to and from the gateway
//	contest.go   who of the three maps       pcp.go, natpmp.go, upnp*.go, ssdp.go
//	lease.go     how long a mapping lasts    gateway*.go  the routing table
package portmap

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// Protocol is a way of asking a gateway.
type Protocol uint8

// The protocols, best first: PCP tells apart who mapped what and knows of restarts, NAT-PMP knows of restarts.
const (
	PCP    Protocol = iota + 1 // RFC 6887
	NATPMP                     // RFC 6886
	UPnP                       // Internet Gateway Device, versions 1 and 2
)

// String is the protocol's name.
func (p Protocol) String() string {
	switch p {
	case PCP:
		return "PCP"
	case NATPMP:
		return "NAT-PMP"
	case UPnP:
		return "UPnP"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

const (
	// DefaultLifetime is what a mapping is asked for: what RFC 6886, section 3.3, recommends.
	DefaultLifetime = 2 * time.Hour
	// DefaultInterval is how often the gateway is looked at: a file is read and, if there is a mapping, a packet goes each way.
	DefaultInterval = time.Minute
	// retryInterval is how often a gateway that refused or was silent is asked again.
	retryInterval = 15 * time.Minute
	// removeTimeout bounds the removal of mappings at the end.
	removeTimeout = 2 * time.Second
	// strayTimeout bounds it where nothing has answered yet: a command that ends at once must not wait for a silent gateway.
	strayTimeout = 100 * time.Millisecond
)

// Config is what is to be mapped. Port is needed.
type Config struct {
	Port uint16 // local TCP port; the same is asked for outside

	// Within runs open, which opens a socket or reads the routing table, where that is to be done: in another network
	// namespace, for instance. Nil means here.
	Within netspace.Space

	// Changed is told each new state, one at a time, and must return at once. Nil: nobody is told.
	Changed func(State)

	// Wake, when it is received from, has the gateway looked at and asked anew: the network may be another. Nil: never.
	Wake <-chan struct{}

	Protocols []Protocol    // to ask by. Nil: all
	Lifetime  time.Duration // asked for. Zero: DefaultLifetime
	Interval  time.Duration // between looks at the gateway. Zero: DefaultInterval
	Log       *slog.Logger  // nil: silence
}

func (c Config) withDefaults() Config {
	if c.Changed == nil {
		c.Changed = func(State) {}
	}
	if c.Protocols == nil {
		c.Protocols = []Protocol{PCP, NATPMP, UPnP}
	}
	if c.Lifetime <= 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.Interval <= 0 {
		c.Interval = DefaultInterval
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Mapping is a port of a gateway that it forwards to the node.
type Mapping struct {
	Protocol Protocol
	External netip.AddrPort // as the gateway says; the address is unspecified if it does not know its own
	Lifetime time.Duration  // granted; zero: until it is removed
}

// State is how things stand with the gateway.
type State struct {
	Gateway netip.Addr // invalid: not known
	Mapping *Mapping   // nil: none
	Err     error      // why there is none; nil while it is being asked for
}

// Errors of a State. A gateway that refuses gives a *RefusedError.
var (
	// ErrNoGateway says that the routing table names no gateway, or cannot be read on this system.
	ErrNoGateway = errors.New("portmap: no gateway known")
	// ErrNotOffered says that the gateway speaks none of the protocols.
	ErrNotOffered = errors.New("portmap: the gateway offers no port mapping")
)

// A RefusedError is a gateway's no.
type RefusedError struct {
	Protocol Protocol
	Code     int    // of the protocol
	Text     string // what it means
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("portmap: the gateway refuses by %v: %s (code %d)", e.Protocol, e.Text, e.Code)
}
