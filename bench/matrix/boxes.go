package main

import (
	"fmt"
	"strings"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A box is what a node is behind: nothing, or one NAT, or several.
type box struct {
	name  string
	short string // for the picture
	// layers are the NATs, from the internet inwards.
	layers []natlab.Behavior
	// kernel makes the innermost layer the Linux kernel's, which behaves as that layer says.
	kernel *natlab.Kernel
	// ipv6 gives the node a global IPv6 address too, behind the stateful firewall of the same router, or none if it has none.
	ipv6 bool
	// traffic is how many connections a second neighbours open through the outermost NAT.
	traffic float64
	// shared is what both nodes of a pair have in common; such a box pairs with itself alone.
	shared shared
}

// shared is how much of a box two nodes share.
type shared uint8

const (
	apart      shared = iota // nothing: two boxes of the kind
	oneNetwork               // everything: they are on one local network
	oneCarrier               // the outermost NAT: each has a home of its own behind it
)

// boxes are those of the matrix, from the easiest to cross to the hardest.
func boxes() []box {
	one := func(b natlab.Behavior) []natlab.Behavior { return []natlab.Behavior{b} }
	return []box{
		{name: "public", short: "public", ipv6: true},
		{name: "full-cone", short: "full cone", layers: one(natlab.FullCone())},
		{name: "address-restricted", short: "address restr.", layers: one(natlab.RestrictedCone())},
		{name: "port-restricted", short: "port restr.", layers: one(natlab.PortRestrictedCone())},
		{name: "udp-blocked", short: "no UDP", layers: one(natlab.BlocksUDP())},
		{name: "linux", short: "linux", layers: one(natlab.Linux()), kernel: &natlab.Kernel{}},
		{name: "linux-reject", short: "linux, RST", layers: one(natlab.LinuxReject()), kernel: &natlab.Kernel{Firewall: natlab.FirewallReject}},
		{name: "icmp-unreachable", short: "ICMP", layers: one(natlab.AnswersUnreachable())},
		{name: "rfc5382-hold", short: "holds SYN 6 s", layers: one(natlab.HoldsSYNs())},
		{name: "carrier-grade", short: "carrier EIM", layers: one(natlab.CarrierGrade())},
		{name: "two-layers", short: "two layers", layers: []natlab.Behavior{natlab.CarrierGrade(), natlab.Linux()}},
		{name: "no-simultaneous-open", short: "no sim. open", layers: one(natlab.NoSimultaneousOpen())},
		{name: "ipv6-firewall", short: "IPv6 firewall", layers: one(natlab.Symmetric()), ipv6: true},
		{name: "symmetric-sequential", short: "sym. +1", layers: one(natlab.SequentialSymmetric())},
		{name: "symmetric-sequential-busy", short: "sym. +1 busy", layers: one(natlab.SequentialSymmetric()), traffic: 20},
		{name: "symmetric-block", short: "sym. block 512", layers: one(natlab.SymmetricBlock())},
		{name: "symmetric-random", short: "sym. random", layers: one(natlab.Symmetric())},

		{name: "same-nat-hairpinning", short: "one home, hairpinning", layers: one(natlab.PortRestrictedCone()), shared: oneNetwork},
		{name: "same-nat", short: "one home", layers: one(withoutHairpinning(natlab.PortRestrictedCone())), shared: oneNetwork},
		{name: "same-carrier-hairpinning", short: "two homes, one carrier, hairpinning",
			layers: []natlab.Behavior{natlab.CarrierGrade(), natlab.Linux()}, shared: oneCarrier},
		{name: "same-carrier", short: "two homes, one carrier",
			layers: []natlab.Behavior{withoutHairpinning(natlab.CarrierGrade()), natlab.Linux()}, shared: oneCarrier},
	}
}

func withoutHairpinning(b natlab.Behavior) natlab.Behavior {
	b.Hairpinning = natlab.HairpinNone
	return b
}

// String tells the box in RFC words.
func (b box) String() string {
	if len(b.layers) == 0 {
		return "no NAT, IPv4 and IPv6"
	}
	var words []string
	for _, l := range b.layers {
		words = append(words, l.String())
	}
	text := strings.Join(words, "; behind it: ")
	if b.kernel != nil {
		text += " (nftables)"
	}
	if b.ipv6 {
		text += "; IPv6 with a stateful firewall (RFC 6092)"
	}
	switch b.shared {
	case oneNetwork:
		text = "both nodes in one local network behind: " + text
	case oneCarrier:
		text = "two homes behind one: " + text
	}
	if b.traffic > 0 {
		text += fmt.Sprintf("; %g connections a second of neighbours", b.traffic)
	}
	return text
}

// A side is a box as theory sees it: of several layers, what the strictest does.
type side struct {
	public    bool
	mapping   natlab.Dependence
	filtering natlab.Dependence
	allocated natlab.Allocation // where the mapping is not endpoint-independent
	oneWay    bool              // refuses simultaneous open
	ipv6      bool
}

func (b box) side() side {
	s := side{public: len(b.layers) == 0, ipv6: b.ipv6}
	for _, l := range b.layers {
		if l.Mapping > s.mapping {
			s.mapping, s.allocated = l.Mapping, l.Allocation
			if l.Allocation == natlab.PortBlock && !l.RandomInBlock {
				s.allocated = natlab.PortSequential
			}
		}
		s.filtering = max(s.filtering, l.Filtering)
		s.oneWay = s.oneWay || l.RefuseSimultaneousOpen
	}
	return s
}
