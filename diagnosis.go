package bodkin

import (
	"context"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// A Diagnosis tells how the networks in front of a node treat TCP, what follows from that, and from what it was concluded.
type Diagnosis struct {
	Status                 // how things stand
	Complete   bool        // everything was measured in time
	Proxied    bool        // the server is reached through an HTTP proxy, which shows nothing of the network
	Prospects  []Prospect  // which kinds of peers can be reached over IPv4, or over IPv6 where the node has nothing else
	Relay      RelayPolicy // of this node. Whether the server has a relay is not known before it is needed
	Advice     []string    // what would help, for people
	Samples    []Sample    // evidence: connections to the server
	DialBacks  []DialBack  // evidence: connections that the server tried to open to this node
	ServerAddr netip.AddrPort
}

// A Sample is a connection to the server, and where the server saw it come from.
type Sample struct{ Local, Server, Seen netip.AddrPort }

// A DialBack is a connection that the server tried to open to where it sees this node.
type DialBack struct {
	From   netip.Addr // of the server; the port was a new one
	To     netip.AddrPort
	Answer string // "accepted", "dropped", "reset", "icmp", "unknown"
	Fresh  bool   // from an address that this node had not connected to
}

// Diagnose waits until the networks are measured and the gateway has answered, or until ctx ends, and tells what is known then. Without a
// server there is nothing to tell: [ErrServerUnreachable].
func (n *Node) Diagnose(ctx context.Context) (Diagnosis, error) {
	if err := n.registered(ctx); err != nil {
		return Diagnosis{}, err
	}
	ticker := time.NewTicker(diagnosisTick)
	defer ticker.Stop()
	for !n.isDiagnosable() {
		select {
		case <-ticker.C:
			continue
		case <-n.done:
			return Diagnosis{}, n.Err()
		case <-ctx.Done():
		}
		break
	}
	return n.diagnose(), nil
}

// diagnosisTick is how often Diagnose looks. What it waits for takes seconds.
const diagnosisTick = 20 * time.Millisecond

// isDiagnosable tells whether all is known that will be in the next seconds.
func (n *Node) isDiagnosable() bool {
	state := n.client.State()
	mapping := n.portMapping(state)
	return (state.Measured || state.Proxied) && (mapping.Proven || mapping.Problem != "")
}

func (n *Node) diagnose() Diagnosis {
	state := n.client.State()
	d := Diagnosis{Status: n.Status(), Complete: n.isDiagnosable(), Proxied: state.Proxied, Relay: n.config.Relay, ServerAddr: state.Remote}
	side := rounds.Side{Report: state.Behavior.IPv4, Mapped: d.PortMapping.Proven, RTT: state.RTT}
	if side.Mapping == natbehavior.Unknown && state.Behavior.IPv6.Mapping != natbehavior.Unknown {
		side.Report = state.Behavior.IPv6
	}
	side.Search = n.config.Search
	if !state.Proxied {
		d.Prospects = prospects(side)
	}
	d.Advice = advise(d, side)
	for _, e := range []natbehavior.Evidence{state.IPv4, state.IPv6} {
		for _, s := range e.Samples {
			d.Samples = append(d.Samples, Sample{s.Local, s.Server, s.Seen})
		}
		for _, b := range e.DialBacks {
			d.DialBacks = append(d.DialBacks, DialBack{b.From, b.To, b.Answer.String(), b.Fresh})
		}
	}
	return d
}
