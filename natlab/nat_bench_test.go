package natlab

import (
	"testing"
)

// BenchmarkNAT measures segments of one established connection, of 1448 bytes each, among 1000 others.
func BenchmarkNAT(b *testing.B) {
	for _, c := range []struct {
		name     string
		behavior Behavior
	}{{"full cone", FullCone()}, {"linux", Linux()}} {
		b.Run(c.name, func(b *testing.B) {
			n := testNAT(c.behavior, "X")
			send := func(text string) {
				raw := scripted(b, text)
				p, _ := parse(raw)
				if isInside(p.from.Addr()) {
					n.outbound(testTime, raw)
				} else {
					n.inbound(testTime, raw)
				}
			}
			portsOf(b, n, scriptHosts["B"], 1000)
			send("A:4000 > S:80 SYN seq=100")
			send("S:80 > X:4000 SYN+ACK seq=500 ack=101")
			send("A:4000 > S:80 ACK seq=101 ack=501")
			out, in := scripted(b, "A:4000 > S:80 ACK seq=101 ack=501 len=1448"), scripted(b, "S:80 > X:4000 ACK seq=501 ack=1549")
			work := make([]byte, len(out))
			b.ReportAllocs()
			for b.Loop() {
				copy(work, out)
				v := n.outbound(testTime, work[:len(out)])
				copy(work, in)
				w := n.inbound(testTime, work[:len(in)])
				if len(v.outside) != 1 || len(w.inside) != 1 {
					b.Fatal("dropped")
				}
			}
			b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}
