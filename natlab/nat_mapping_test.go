package natlab

import "testing"

func TestMappingDependsOnAsMuchOfTheDestinationAsTheBehaviorSays(t *testing.T) {
	mapping := func(d Dependence) Behavior {
		return Behavior{Mapping: d, Filtering: AddressAndPortDependent, Allocation: PortRandom}
	}
	playAll(t, []scriptCase{
		{"endpoint-independent", mapping(EndpointIndependent), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > S:81 SYN -> X:p > S:81 SYN
			A:4000 > T:80 SYN -> X:p > T:80 SYN
			A:4001 > S:80 SYN -> X:q > S:80 SYN # another internal port
			B:4000 > S:80 SYN -> X:r > S:80 SYN # another host
			udp A:4000 > S:80 -> udp X:u > S:80 # another protocol
		`},
		{"address-dependent", mapping(AddressDependent), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > S:81 SYN -> X:p > S:81 SYN
			A:4000 > T:80 SYN -> X:q > T:80 SYN
			A:4000 > S:82 SYN -> X:p > S:82 SYN
		`},
		{"address-and-port-dependent", mapping(AddressAndPortDependent), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > S:81 SYN -> X:q > S:81 SYN
			A:4000 > T:80 SYN -> X:r > T:80 SYN
			A:4000 > S:80 SYN -> X:p > S:80 SYN # repeated
		`},
		{"a mapping ends with its last session", mapping(EndpointIndependent), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			+3m
			A:4000 > T:80 SYN -> X:p > T:80 SYN
			+3m
			A:4000 > S:81 SYN -> X:p > S:81 SYN # kept by T
			+4m
			A:4000 > S:80 SYN -> X:q > S:80 SYN
		`},
	})
}

// The rows are those measured on a 6.18 kernel with masquerade: the newest mapping of a source is used
// again if that leaves connections distinguishable.
func TestLinuxKeepsTheNewestMappingOfASource(t *testing.T) {
	playAll(t, []scriptCase{
		{"no clash", Linux(), `
			A:40000 > S:80 SYN -> X:40000 > S:80 SYN
			A:40000 > S:81 SYN -> X:40000 > S:81 SYN
			A:40000 > T:80 SYN -> X:40000 > T:80 SYN
		`},
		{"clash on the first destination", Linux(), `
			B:40011 > S:80 SYN -> X:40011 > S:80 SYN
			A:40011 > S:80 SYN -> X:p     > S:80 SYN
			A:40011 > S:81 SYN -> X:p     > S:81 SYN
			A:40011 > T:80 SYN -> X:p     > T:80 SYN
		`},
		{"clash on the second destination", Linux(), `
			B:40011 > S:80 SYN -> X:40011 > S:80 SYN
			A:40011 > T:80 SYN -> X:40011 > T:80 SYN # overloaded: both hosts have 40011
			A:40011 > S:80 SYN -> X:p     > S:80 SYN
			A:40011 > T:81 SYN -> X:p     > T:81 SYN # the newest mapping wins
			S:80 > X:40011 SYN+ACK ack=1001 -> S:80 > B:40011 SYN+ACK
			S:80 > X:p     SYN+ACK ack=1001 -> S:80 > A:40011 SYN+ACK
			T:80 > X:40011 SYN+ACK ack=1001 -> T:80 > A:40011 SYN+ACK
		`},
		{"the newest mapping has ended", Linux(), `
			B:40011 > S:80 SYN -> X:40011 > S:80 SYN
			A:40011 > T:80 SYN -> X:40011 > T:80 SYN
			A:40011 > S:80 SYN -> X:p     > S:80 SYN
			S:80 > X:p RST+ACK seq=0 ack=1001 -> S:80 > A:40011 RST+ACK
			A:40011 > T:81 SYN -> X:40011 > T:81 SYN
		`},
		{"random", LinuxRandom(), `
			A:40000 > S:80 SYN -> X:p > S:80 SYN
			A:40000 > S:81 SYN -> X:q > S:81 SYN
			A:40000 > T:80 SYN -> X:r > T:80 SYN
		`},
	})
}

func TestPortsAreNotSharedWithoutOverloading(t *testing.T) {
	play(t, PortRestrictedCone(), `
		A:4000 > S:80 SYN -> X:4000 > S:80 SYN
		B:4000 > T:80 SYN -> X:p > T:80 SYN
		B:4000 > T:81 SYN -> X:p > T:81 SYN
		+4m
		B:4000 > T:80 SYN -> X:4000 > T:80 SYN # free again
	`)
}

func TestExternalAddressesArePooled(t *testing.T) {
	paired := Symmetric()
	playOn(t, testNAT(paired, "X", "Y"), `
		A:1 > S:80 SYN -> X:* > S:80 SYN
		B:1 > S:80 SYN -> Y:* > S:80 SYN
		A:2 > S:80 SYN -> X:* > S:80 SYN
		A:3 > T:80 SYN -> X:* > T:80 SYN
		B:2 > T:80 SYN -> Y:* > T:80 SYN
		C:1 > T:80 SYN -> X:* > T:80 SYN
	`)

	arbitrary := paired
	arbitrary.Pooling = PoolingArbitrary
	n := testNAT(arbitrary, "X", "Y", "x6")
	seen := map[string]int{}
	for i := range 64 {
		p := packetScript{kind: "tcp", flags: flagSYN, from: scriptEnd{addr: scriptHosts["A"], port: 2000 + i},
			to: scriptEnd{addr: scriptHosts["S"], port: 80}}
		v := n.outbound(testTime, p.bytes())
		if len(v.outside) != 1 {
			t.Fatalf("packet %d was dropped", i)
		}
		out, _ := parse(v.outside[0])
		seen[out.src().Addr().String()]++
	}
	if len(seen) != 2 || seen["203.0.113.1"] < 16 || seen["203.0.113.2"] < 16 {
		t.Errorf("64 mappings of one host got %v, want both IPv4 addresses about equally", seen)
	}
}

func TestRebootAndRenumberingForgetMappings(t *testing.T) {
	playOn(t, testNAT(PortRestrictedCone(), "X", "Y"), `
		A:4000 > S:80 SYN -> X:4000 > S:80 SYN
		B:5000 > S:80 SYN -> Y:5000 > S:80 SYN
		renumber Z Y
		S:80 > X:4000 SYN+ACK -> drop
		S:80 > Y:5000 SYN+ACK -> S:80 > B:5000 SYN+ACK # its address is still there
		A:4000 > S:80 SYN -> Z:4000 > S:80 SYN
		reboot
		S:80 > Z:4000 SYN+ACK -> drop
		S:80 > Y:5000 SYN+ACK -> drop
		A:4000 > S:80 SYN -> Z:4000 > S:80 SYN
	`)
}
