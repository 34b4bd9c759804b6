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
