package main

import (
	"net/netip"
	"slices"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A tally is where one node's SYNs went, as the network next to it saw them.
type tally struct {
	Peer      int64 // to where the peer is seen, or, if both are seen at one address, to its own address
	Server    int64
	Own       int64 // to the node's own outside address or its gateway: hairpinning and port mapping are asked about there
	Strangers map[netip.AddrPort]int64
}

// count sorts the SYNs of a node by whom they went to.
func count(flows []natlab.Flow, of, peer site) tally {
	t := tally{Strangers: map[netip.AddrPort]int64{}}
	own, others := of.Addrs(), peer.seen()
	if slices.ContainsFunc(of.seen(), func(a netip.Addr) bool { return slices.Contains(others, a) }) {
		// Behind one outside address, the two may be in one network: each tries the address that the other has told.
		others = append(others, peer.Addrs()...)
	}
	self := of.seen()
	for _, nat := range of.nats {
		self = append(self, nat.Gateway())
	}
	for _, f := range flows {
		if f.Network != of.network || f.SYNs == 0 || !slices.Contains(own, f.Src.Addr()) {
			continue
		}
		switch to := f.Dst.Addr(); {
		case slices.Contains(serverAddrs[:], to.String()):
			t.Server += f.SYNs
		case slices.Contains(others, to):
			t.Peer += f.SYNs
		case slices.Contains(self, to):
			t.Own += f.SYNs
		default:
			t.Strangers[f.Dst] += f.SYNs
		}
	}
	return t
}

// strange is how many SYNs went to strangers.
func (t tally) strange() int64 {
	var sum int64
	for _, n := range t.Strangers {
		sum += n
	}
	return sum
}
