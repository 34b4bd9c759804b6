package bodkin

import (
	"fmt"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

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
