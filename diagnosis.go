package bodkin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
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

// advise tells what would help a node behind side.
func advise(d Diagnosis, side rounds.Side) []string {
	var advice []string
	add := func(format string, args ...any) { advice = append(advice, fmt.Sprintf(format, args...)) }
	if !d.PortReuse {
		add("several sockets cannot share a local port on this machine, so no NAT can be crossed: look for a security program that prevents it")
	}
	if d.Proxied {
		add("the server is reached through an HTTP proxy (HTTPS_PROXY); if this network lets connections out directly too, leave the proxy " +
			"out for the server (NO_PROXY)")
		return advice
	}
	isOpen := side.Mapped || side.Filtering == natbehavior.None || side.Filtering == natbehavior.EndpointIndependent
	if side.Proxied {
		add("a transparent proxy answers TCP in place of the server: ask who runs this network to let port %d through, or use another", d.ServerAddr.Port())
	}
	if isOpen {
		return advice
	}
	if side.Mapping == natbehavior.None {
		add("let TCP port %d in through the firewall: everybody can then connect to this machine", side.Last.Port())
	} else if side.Allocation == natbehavior.Block && d.PortMapping.Protocol == "" {
		add("external ports come from a block, as the NAT of a carrier gives them: the router at home cannot open that one. A provider may give you a public address on request")
	} else {
		advice = append(advice, adviseMapping(d.PortMapping)...)
	}
	if side.Mapping.IsEndpointDependent() {
		add("a router that uses one external port for all destinations (RFC 5382, REQ-1): some have a setting named \"cone\" or \"open\" NAT")
	}
	if d.IPv6.Mapping == natbehavior.Unknown.String() && side.Mapping != natbehavior.Unknown {
		add("IPv6: peers that have it too can be reached with no NAT in between, if the server has it")
	}
	if side.Unsolicited == natbehavior.Reset || side.Unsolicited == natbehavior.ICMP {
		add("have the router drop what it does not let in, rather than reject it: connections then open at the first try")
	}
	return advice
}

// adviseMapping tells how the gateway could be brought to forward a port.
func adviseMapping(m PortMapping) []string {
	gateway := "the router"
	if m.Gateway.IsValid() {
		gateway = fmt.Sprintf("the router (%v)", m.Gateway)
	}
	switch {
	case m.Problem == switchedOff:
		return []string{"let Bodkin ask the router to forward its port: leave out --no-port-mapping and BODKIN_NO_PORT_MAPPING"}
	case m.Protocol == "" && m.Problem != "":
		return []string{fmt.Sprintf("switch on UPnP, NAT-PMP or PCP in %s: every peer can then connect, whatever NAT it is behind, unless that router is behind another one (now: %s)", gateway, m.Problem)}
	case m.Problem != "":
		return []string{fmt.Sprintf("%s forwards a port, which does not help: %s. A provider may give you a public address on request", gateway, m.Problem)}
	}
	return nil
}

// withWhy adds to a *PathError what is known of the two networks.
func (n *Node) withWhy(err error, peer natbehavior.Reports) error {
	var path *PathError
	if errors.As(err, &path) {
		state := n.client.State()
		path.Local, path.Remote, path.Why = behaviorOf(state.Behavior.IPv4), behaviorOf(peer.IPv4), n.why(peer, state)
	}
	return err
}

// why tells which rule of which NAT stands between this node and a peer, as far as both are known.
func (n *Node) why(peer natbehavior.Reports, state rendezvous.State) string {
	if state.Proxied {
		return "this node reaches the server through an HTTP proxy: nobody can connect to it"
	}
	known := false
	for _, family := range [][2]natbehavior.Report{{state.Behavior.IPv4, peer.IPv4}, {state.Behavior.IPv6, peer.IPv6}} {
		if family[0].Mapping == natbehavior.Unknown || family[1].Mapping == natbehavior.Unknown {
			continue
		}
		known = true
		own := rounds.Side{Report: family[0], Mapped: state.Proof == rendezvous.Proven}
		own.Search = n.config.Search
		_, why := way(own, rounds.Side{Report: family[1]})
		if why != "" {
			return why
		}
	}
	if !known {
		return "one of the two networks is not measured yet, or has no address family in common with the other"
	}
	return "theory has a direct way between these two networks, but something in them behaves otherwise than it was measured"
}
