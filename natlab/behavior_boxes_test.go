package natlab

import "testing"

// One script for each preset, with what tells it from the others. Those of the Linux presets run on the kernel, too.
func TestEveryPresetIsWhatItsNameSays(t *testing.T) {
	playAll(t, []scriptCase{
		{"full cone", FullCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			A:4000 > T:81 SYN -> X:4000 > T:81 SYN
			T:9 > X:4000 SYN -> T:9 > A:4000 SYN
		`},
		{"address-restricted cone", RestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:9 > X:4000 SYN -> S:9 > A:4000 SYN
			T:80 > X:4000 SYN -> drop
		`},
		{"port-restricted cone", PortRestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:9 > X:4000 SYN -> drop
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN # simultaneous open
		`},
		{"linux", Linux(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			A:4000 > T:81 SYN -> X:4000 > T:81 SYN
			S:9 > X:4000 SYN -> drop
		`},
		{"linux that rejects", LinuxReject(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:9 > X:4000 SYN seq=7 -> X:4000 > S:9 RST+ACK seq=0 ack=8
		`},
		{"answers unreachable", AnswersUnreachable(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:9 > X:4000 SYN -> X > S unreachable about S:9 > X:4000
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN
		`},
		{"holds SYNs", HoldsSYNs(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			T:80 > X:4000 SYN -> drop
			S:9 > X:4000 SYN -> drop
			+5s
			A:4000 > T:80 SYN -> X:4000 > T:80 SYN # in time: T hears nothing
			+1s
			expire -> X > S unreachable about S:9 > X:4000
			expire -> drop
		`},
		{"no simultaneous open", NoSimultaneousOpen(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN -> drop
			S:80 > X:4000 SYN+ACK -> S:80 > A:4000 SYN+ACK
		`},
		{"symmetric, sequential", SequentialSymmetric(), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > T:80 SYN -> X:p+1 > T:80 SYN
			T:80 > X:p SYN -> drop
		`},
		{"symmetric, random", Symmetric(), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > T:80 SYN -> X:q > T:80 SYN
			T:80 > X:p SYN -> drop
			T:80 > X:q SYN -> T:80 > A:4000 SYN
		`},
		{"carrier-grade", CarrierGrade(), `
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			A:4000 > T:80 SYN -> X:p > T:80 SYN
			S:9 > X:p SYN -> drop
			+6s
			expire -> X > S unreachable about S:9 > X:p
		`},
		{"IPv6 firewall", Firewall6(), `
			a6:4000 > s6:80 SYN -> a6:4000 > s6:80 SYN
			t6:80 > a6:4000 SYN -> drop
			s6:80 > a6:4000 SYN -> s6:80 > a6:4000 SYN # RFC 6092, REC-31
		`},
		{"blocks UDP", BlocksUDP(), `
			udp A:4000 > S:80 -> drop
			udp S:80 > X:4000 -> drop
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
		`},
	})
}

// Inside one block every connection has another port; which one, nothing tells.
func TestSymmetricBlockIsRandomInsideOneBlock(t *testing.T) {
	n := testNAT(SymmetricBlock(), "X")
	seen := map[int]bool{}
	steps := map[int]int{}
	block, last := -1, 0
	for i := range 64 {
		p := packetScript{kind: "tcp", flags: flagSYN, from: scriptEnd{addr: scriptHosts["A"], port: 4000},
			to: scriptEnd{addr: scriptHosts["S"], port: 1000 + i}}
		v := n.outbound(testTime, p.bytes())
		if len(v.outside) != 1 {
			t.Fatalf("connection %d was dropped", i)
		}
		out, _ := parse(v.outside[0])
		port := int(out.src().Port())
		if block < 0 {
			block = port / 512
		}
		if port/512 != block || seen[port] {
			t.Fatalf("port %d: want one of block %d that was not given out", port, block)
		}
		seen[port] = true
		steps[port-last]++
		last = port
	}
	for step, times := range steps {
		if times > 8 {
			t.Errorf("%d of 64 ports are the one before plus %d", times, step)
		}
	}
}
