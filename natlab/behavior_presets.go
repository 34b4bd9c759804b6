package natlab

// FullCone is endpoint-independent mapping and filtering: whoever knows the external endpoint may
// connect to it ("NAT type 1").
func FullCone() Behavior {
	return Behavior{
		Mapping:     EndpointIndependent,
		Filtering:   EndpointIndependent,
		Hairpinning: HairpinExternal,
	}
}

// RestrictedCone is endpoint-independent mapping and address-dependent filtering ("NAT type 2").
func RestrictedCone() Behavior {
	b := FullCone()
	b.Filtering = AddressDependent
	return b
}

// PortRestrictedCone is endpoint-independent mapping and address-and-port-dependent filtering, the
// most common kind at home ("NAT type 3").
func PortRestrictedCone() Behavior {
	b := FullCone()
	b.Filtering = AddressAndPortDependent
	return b
}

// Symmetric is address-and-port-dependent mapping and filtering with random ports: each remote
// endpoint sees another external port ("NAT type 4").
func Symmetric() Behavior {
	return Behavior{
		Mapping:    AddressAndPortDependent,
		Filtering:  AddressAndPortDependent,
		Allocation: PortRandom,
	}
}

// Linux is masquerading on a Linux router whose firewall drops what is unsolicited: mapping
// endpoint-independent as long as connections stay distinguishable, filtering
// address-and-port-dependent, ports preserved and overloaded, windows checked, lost connections
// picked up from inside.
func Linux() Behavior {
	return Behavior{
		Mapping:     EndpointIndependent,
		Filtering:   AddressAndPortDependent,
		Overloading: true,
		Allocation:  PortPreserving,
		Hairpinning: HairpinReset,
		Checking:    CheckWindows,
		PickUp:      true,
		Reset:       ResetRemovesUnanswered,
		Timeouts:    LinuxTimeouts(),
	}
}

// LinuxReject is Linux with a firewall that rejects what is unsolicited, as OpenWrt's does: a SYN
// that comes too early is answered by a reset.
func LinuxReject() Behavior {
	b := Linux()
	b.Unsolicited = UnsolicitedReset
	return b
}

// LinuxRandom is Linux with "masquerade random": a new random port for each connection.
func LinuxRandom() Behavior {
	b := Linux()
	b.Mapping = AddressAndPortDependent
	b.Allocation = PortRandom
	return b
}

// CarrierGrade is a carrier's NAT as RFC 6888 wants it: endpoint-independent mapping, address-
// and-port-dependent filtering, a block of 512 ports for each subscriber with random ports inside,
// paired pooling, hairpinning, and unsolicited SYNs held for 6 s.
func CarrierGrade() Behavior {
	return Behavior{
		Mapping:       EndpointIndependent,
		Filtering:     AddressAndPortDependent,
		Allocation:    PortBlock,
		BlockSize:     512,
		RandomInBlock: true,
		Unsolicited:   UnsolicitedHold,
		Hairpinning:   HairpinExternal,
	}
}

// SymmetricBlock is a carrier's NAT that gives each subscriber a block of 512 ports, and each
// connection a random one of them, even those from one internal endpoint: address-and-port-dependent
// mapping and filtering, unsolicited packets dropped.
func SymmetricBlock() Behavior {
	b := Symmetric()
	b.Allocation = PortBlock
	b.BlockSize = 512
	b.RandomInBlock = true
	return b
}

// HoldsSYNs is PortRestrictedCone that treats an unsolicited SYN as RFC 5382, REQ-4, demands: it
// waits 6 s for a SYN from inside, and only then answers ICMP port unreachable.
func HoldsSYNs() Behavior {
	b := PortRestrictedCone()
	b.Unsolicited = UnsolicitedHold
	return b
}

// AnswersUnreachable is PortRestrictedCone that answers what is unsolicited with ICMP port
// unreachable at once.
func AnswersUnreachable() Behavior {
	b := PortRestrictedCone()
	b.Unsolicited = UnsolicitedUnreachable
	return b
}

// NoSimultaneousOpen is PortRestrictedCone that drops a SYN from outside where one from inside has
// gone the other way, against RFC 5382, REQ-2. Only the answer to its own SYN gets in.
func NoSimultaneousOpen() Behavior {
	b := PortRestrictedCone()
	b.RefuseSimultaneousOpen = true
	return b
}

// BlocksUDP is PortRestrictedCone in a network that lets no UDP pass in either direction.
func BlocksUDP() Behavior {
	b := PortRestrictedCone()
	b.BlockUDP = true
	return b
}

// SequentialSymmetric is an older kind of symmetric NAT that counts its ports up by one, so that the
// next one can be told in advance.
func SequentialSymmetric() Behavior {
	b := Symmetric()
	b.Allocation = PortSequential
	return b
}

// Firewall6 is the stateful firewall of an IPv6 router (RFC 6092): no translation, and nothing comes
// in that was not asked for. Unlike Linux it does not check windows.
func Firewall6() Behavior {
	return Behavior{
		Filtering:  AddressAndPortDependent,
		Allocation: PortUntranslated,
	}
}
