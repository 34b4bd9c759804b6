package natlab

import "testing"

func TestFilteringDependsOnAsMuchOfTheSourceAsTheBehaviorSays(t *testing.T) {
	playAll(t, []scriptCase{
		{"endpoint-independent", FullCone(), `
			T:9 > X:4000 SYN -> drop # no mapping yet
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN+ACK -> S:80 > A:4000 SYN+ACK
			S:81 > X:4000 SYN -> S:81 > A:4000 SYN
			T:9 > X:4000 SYN -> T:9 > A:4000 SYN
			A:4000 > T:9 SYN+ACK -> X:4000 > T:9 SYN+ACK
			T:9 > X:4001 SYN -> drop
			T:10 > X:4000 ACK -> drop # begins no session
		`},
		{"address-dependent", RestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:81 > X:4000 SYN -> S:81 > A:4000 SYN
			A:4000 > S:81 SYN+ACK -> X:4000 > S:81 SYN+ACK
			T:80 > X:4000 SYN -> drop
			A:4000 > T:9 SYN -> X:4000 > T:9 SYN
			T:80 > X:4000 SYN -> T:80 > A:4000 SYN
		`},
		{"address-and-port-dependent", PortRestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:81 > X:4000 SYN -> drop
			T:80 > X:4000 SYN -> drop
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN
		`},
		{"a filter forgets what has expired", RestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			+1m
			A:4000 > T:80 SYN -> X:4000 > T:80 SYN
			+3m
			S:81 > X:4000 SYN -> drop
			T:81 > X:4000 SYN -> T:81 > A:4000 SYN
		`},
		{"endpoint-independent over dependent mapping", Behavior{Mapping: AddressAndPortDependent, Allocation: PortRandom}, `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			T:9 > X:p SYN -> T:9 > A:4000 SYN
			A:4000 > T:9 SYN+ACK -> X:p > T:9 SYN+ACK
			A:4000 > T:8 SYN -> X:q > T:8 SYN
			T:8 > X:p SYN -> drop # A already has q for T:8
		`},
	})
}

func TestUDPAndPingsAreFilteredAlike(t *testing.T) {
	noUDP := PortRestrictedCone()
	noUDP.BlockUDP = true
	playAll(t, []scriptCase{
		{"port restricted", PortRestrictedCone(), `
			udp A:4000 > S:53 len=9 -> udp X:4000 > S:53
			udp S:53 > X:4000 len=9 -> udp S:53 > A:4000
			udp T:53 > X:4000 -> drop
			ping A:77 > S -> ping X:77 > S
			pong S > X:77 -> pong S > A:77
			pong T > X:77 -> drop
			ping S > X:77 -> drop
			ping B:77 > S -> ping X:p > S
			pong S > X:p -> pong S > B:77
		`},
		{"full cone", FullCone(), `
			udp A:4000 > S:53 -> udp X:4000 > S:53
			udp T:1 > X:4000 -> udp T:1 > A:4000
			udp A:4000 > T:1 -> udp X:4000 > T:1
		`},
		{"no UDP", noUDP, `
			udp A:4000 > S:53 -> drop
			A:4000 > S:53 SYN -> X:4000 > S:53 SYN
			udp S:53 > X:4000 -> drop
		`},
	})
}

func TestSessionsPerHostAreLimited(t *testing.T) {
	b := PortRestrictedCone()
	b.SessionsPerHost = 2
	play(t, b, `
		A:1 > S:80 SYN -> X:1 > S:80 SYN
		A:2 > S:80 SYN -> X:2 > S:80 SYN
		A:3 > S:80 SYN -> drop
		A:1 > S:81 SYN -> drop # even of an old mapping
		A:2 > S:80 SYN -> X:2 > S:80 SYN # repeated
		B:3 > S:80 SYN -> X:3 > S:80 SYN # each host has its own limit
		+4m
		A:3 > S:80 SYN -> X:3 > S:80 SYN
	`)
}

func TestFirewallTranslatesNothing(t *testing.T) {
	reject := Firewall6()
	reject.Unsolicited = UnsolicitedReset
	open := Firewall6()
	open.Filtering = EndpointIndependent
	playAll(t, []scriptCase{
		{"drops", Firewall6(), `
			s6:80 > a6:4000 SYN -> drop
			a6:4000 > s6:80 SYN -> a6:4000 > s6:80 SYN
			s6:80 > a6:4000 SYN+ACK -> s6:80 > a6:4000 SYN+ACK
			t6:80 > a6:4000 SYN -> drop
			b6:4000 > s6:80 SYN -> b6:4000 > s6:80 SYN
			udp a6:5 > s6:53 -> udp a6:5 > s6:53
			udp s6:53 > a6:5 -> udp s6:53 > a6:5
			ping a6:7 > s6 -> ping a6:7 > s6
			pong s6 > a6:7 -> pong s6 > a6:7
			ping s6:7 > a6 -> drop
			s6 > a6 unreachable about a6:4000 > s6:80 SYN -> s6 > a6 unreachable about a6:4000 > s6:80
			a6 > s6 exceeded about s6:80 > a6:4000 ACK -> a6 > s6 exceeded about s6:80 > a6:4000
		`},
		{"simultaneous open", Firewall6(), `
			a6:4000 > s6:80 SYN -> a6:4000 > s6:80 SYN
			s6:80 > a6:4000 SYN -> s6:80 > a6:4000 SYN
			a6:4000 > s6:80 SYN+ACK -> a6:4000 > s6:80 SYN+ACK
		`},
		{"rejects in the name of the host", reject, `
			s6:80 > a6:4000 SYN seq=7 -> a6:4000 > s6:80 RST+ACK seq=0 ack=8
			udp s6:53 > a6:5 -> a6 > s6 unreachable about s6:53 > a6:5
		`},
		{"endpoint-independent", open, `
			a6:4000 > s6:80 SYN -> a6:4000 > s6:80 SYN
			t6:9 > a6:4000 SYN -> t6:9 > a6:4000 SYN
			t6:9 > b6:4000 SYN -> drop
		`},
	})
}

func TestFamilyWithoutExternalAddressIsDropped(t *testing.T) {
	playOn(t, testNAT(FullCone(), "X"), `
		a6:4000 > s6:80 SYN -> drop
	`)
	playOn(t, testNAT(FullCone(), "X", "x6"), `
		a6:4000 > s6:80 SYN -> x6:4000 > s6:80 SYN # NAT66
		s6:80 > x6:4000 SYN+ACK -> s6:80 > a6:4000 SYN+ACK
		ping a6:4 > s6 -> ping x6:4 > s6
		S:80 > Z:1 SYN -> drop # not an address of this NAT
	`)
}
