package natlab

import "testing"

func TestICMPErrorsAreTranslatedWithWhatTheyQuote(t *testing.T) {
	playAll(t, []scriptCase{
		{"from outside", PortRestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			B:4000 > S:80 SYN -> X:p > S:80 SYN
			T > X exceeded about X:p > S:80 SYN -> T > B exceeded about B:4000 > S:80
			S > X unreachable about X:4000 > S:80 SYN -> S > A unreachable about A:4000 > S:80
			T > X exceeded about X:4000 > S:81 SYN -> drop # about nothing we sent
			S:80 > X:4000 SYN+ACK -> S:80 > A:4000 SYN+ACK # the hole is still open
			udp A:5 > S:53 len=60 -> udp X:5 > S:53
			S > X unreachable about udp X:5 > S:53 len=61 -> S > A unreachable about A:5 > S:53
			ping B:7 > S -> ping X:7 > S
			T > X exceeded about ping X:7 > S -> T > B exceeded about B:7 > S
		`},
		{"from inside", PortRestrictedCone(), `
			B:4000 > S:80 SYN -> X:4000 > S:80 SYN
			A:4000 > S:80 SYN -> X:p > S:80 SYN
			S:80 > X:p SYN+ACK -> S:80 > A:4000 SYN+ACK
			A > S unreachable about S:80 > A:4000 ACK -> X > S unreachable about S:80 > X:p
			C > S exceeded about S:80 > A:4000 ACK -> X > S exceeded about S:80 > X:p # a router inside
			A > S unreachable about S:81 > A:4000 ACK -> drop
		`},
		{"over IPv6", FullCone(), `
			a6:4000 > s6:80 SYN -> x6:4000 > s6:80 SYN
			t6 > x6 exceeded about x6:4000 > s6:80 SYN -> t6 > a6 exceeded about a6:4000 > s6:80
			a6 > s6 unreachable about s6:80 > a6:4000 ACK -> x6 > s6 unreachable about s6:80 > x6:4000
		`},
		{"on Linux", Linux(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			T > X exceeded about X:4000 > S:80 SYN -> T > A exceeded about A:4000 > S:80
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN
		`},
	})
}

// A quote may end 8 bytes after its IP header, before the checksum of TCP.
func TestShortQuotesAreTranslated(t *testing.T) {
	n := testNAT(PortRestrictedCone(), "X")
	syn := packetScript{kind: "tcp", flags: flagSYN, from: scriptEnd{addr: scriptHosts["A"], port: 4000},
		to: scriptEnd{addr: scriptHosts["S"], port: 80}}
	sent := n.outbound(testTime, syn.bytes()).outside[0]
	for _, length := range []int{28, 29, 35, 36, 37, 38, 40} {
		body := append([]byte{11, 0, 0, 0, 0, 0, 0, 0}, sent[:length]...)
		v := n.inbound(testTime, ipPacket(protoICMP, scriptHosts["T"], scriptHosts["X"], body))
		if len(v.inside) != 1 {
			t.Errorf("an error that quotes %d bytes was dropped", length)
			continue
		}
		p, _ := parse(v.inside[0])
		checkSums(t, &p)
		if q, ok := p.quoted(); !ok || q.src() != syn.from.addrPort() || q.dst() != syn.to.addrPort() {
			t.Errorf("quote of %d bytes is from %v to %v, want the internal endpoint", length, q.src(), q.dst())
		}
	}
}
