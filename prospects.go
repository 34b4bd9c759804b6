package bodkin

import (
	"errors"
	"fmt"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// A Prospect is one kind of network that a peer may be behind, and whether that peer and this node can connect directly.
type Prospect struct {
	Peers  string // the kind: "public, full cone, or with a forwarded port"
	Direct bool   // else the server relays
	How    string // "crossing", "prediction" (of the external port) or "search"; empty without a direct way
	Why    string // for people, why there is no direct way; empty if there is one
}

// kinds are the networks that peers may be behind, those first that are crossed most easily.
func kinds() []struct {
	name   string
	report natbehavior.Report
} {
	closed := natbehavior.Report{Mapping: natbehavior.EndpointIndependent, Filtering: natbehavior.AddressAndPortDependent,
		Unsolicited: natbehavior.Dropped, Allocation: natbehavior.Preserving}
	symmetric := closed
	symmetric.Mapping, symmetric.Allocation = natbehavior.AddressAndPortDependent, natbehavior.Random
	vary := func(r natbehavior.Report, change func(*natbehavior.Report)) natbehavior.Report {
		change(&r)
		return r
	}
	return []struct {
		name   string
		report natbehavior.Report
	}{
		{"public, full cone, or with a forwarded port", vary(closed, func(r *natbehavior.Report) {
			r.Filtering, r.Unsolicited = natbehavior.EndpointIndependent, natbehavior.Accepted
		})},
		{"restricted and port restricted cones: most homes, and firewalls", closed},
		{"the same where the router rejects, as OpenWrt does", vary(closed, func(r *natbehavior.Report) { r.Unsolicited = natbehavior.Reset })},
		{"symmetric, ports counted up", vary(symmetric, func(r *natbehavior.Report) { r.Allocation, r.Delta = natbehavior.Delta, 1 })},
		{"symmetric, ports from a block, as some carriers do", vary(symmetric, func(r *natbehavior.Report) {
			r.Allocation, r.BlockFirst, r.BlockLast = natbehavior.Block, 2048, 2559
		})},
		{"symmetric, ports at random", symmetric},
	}
}

// prospects tells of each kind of peer whether theory has a direct way between it and a node behind own.
func prospects(own rounds.Side) []Prospect {
	var all []Prospect
	for _, kind := range kinds() {
		p := Prospect{Peers: kind.name}
		peer := rounds.Side{Report: kind.report}
		peer.Search = own.Search // what a peer has chosen is not known: the same
		p.How, p.Why = way(own, peer)
		p.Direct = p.Why == ""
		all = append(all, p)
	}
	return all
}

// way is how two sides connect directly, or why they cannot.
func way(own, peer rounds.Side) (how, why string) {
	switch {
	case own.Proxied && !own.Mapped:
		return "", "a transparent proxy answers for everybody that this node connects to, so no SYN of a peer arrives"
	case peer.Proxied && !peer.Mapped:
		return "", "a transparent proxy answers for everybody that the peer connects to, so no SYN of this node arrives"
	}
	if found := rounds.Expected(own, peer); found != 0 {
		return found.String(), ""
	}
	search := ""
	searching, sought := own, peer
	searching.Search, sought.Search = true, true
	if rounds.Expected(searching, sought) == rounds.Search {
		search = "; with --search on both nodes they look for each other among random ports"
	}
	switch mine, theirs := depends(own), depends(peer); {
	case mine && theirs:
		return "", "both NATs use another external port for each connection, so neither node can be told where the other will be"
	case mine:
		return "", fmt.Sprintf("this side's NAT uses another external port for each connection (mapping %v, %s), and theirs lets in only whom "+
			"its node has sent to (filtering %v)", own.Mapping, unforeseen(own), peer.Filtering) + search
	case theirs:
		return "", fmt.Sprintf("their NAT uses another external port for each connection (mapping %v, %s), and this side's lets in only whom "+
			"this node has sent to (filtering %v)", peer.Mapping, unforeseen(peer), own.Filtering) + search
	}
	return "", "too little is known of the two networks"
}

func depends(s rounds.Side) bool { return s.Mapping.IsEndpointDependent() && !s.Mapped }

// unforeseen tells in which way ports are chosen that cannot be foreseen.
func unforeseen(s rounds.Side) string {
	switch s.Allocation {
	case natbehavior.Random:
		return "at random"
	case natbehavior.AllocationUnknown:
		return "nobody knows how"
	}
	return "allocation " + s.Allocation.String()
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
