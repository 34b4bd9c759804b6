package natlab

import (
	"bytes"
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"A:4000 > S:80 SYN scale=7 len=3", "udp A:4000 > S:80", "ping A:7 > S", "a6:1 > s6:2 ACK", "ping a6:7 > s6",
		"S > X unreachable about X:4000 > S:80 SYN", "s6 > x6 exceeded about udp x6:1 > s6:2",
	} {
		f.Add(scripted(f, text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parse(b)
		if !ok {
			return
		}
		if p.protocol == protoTCP {
			p.windowScale()
			tcpReset(&p)
		}
		icmpUnreachable(&p, unreachablePort)
		icmpTimeExceeded(&p, p.dst().Addr())
		length := len(p.raw)
		from, to := p.src(), p.dst()
		p.setSrc(to)
		p.setDst(from)
		if p.isError() {
			p.setQuotedSrc(to)
			p.setQuotedDst(from)
		}
		p.takeHop()
		if q, ok := parse(b); ok && (len(q.raw) != length || q.src() != p.src() || q.dst() != p.dst()) {
			t.Errorf("rewritten to %v > %v, %d bytes; parsed as %v > %v, %d bytes",
				p.src(), p.dst(), length, q.src(), q.dst(), len(q.raw))
		}
	})
}

// fuzzBehaviors are behaviors that between them go through all of the code.
func fuzzBehaviors() []Behavior {
	limited := CarrierGrade()
	limited.SessionsPerHost = 3
	limited.Timeouts.Lifetime = time.Minute
	rejecting := RestrictedCone()
	rejecting.Unsolicited = UnsolicitedUnreachable
	rejecting.RefuseSimultaneousOpen = true
	rejecting.Reset = ResetIgnored
	return []Behavior{
		FullCone(), rejecting, Linux(), LinuxReject(), LinuxRandom(), limited, SequentialSymmetric(), Firewall6(),
	}
}

// FuzzNAT sends packets into a NAT, out of a byte string of steps: which behavior; then again and again
// a direction, the time that passes, the length of the packet, and the packet. It must not panic, must
// keep its tables in step with each other, and what it sends must be well-formed.
func FuzzNAT(f *testing.F) {
	for behavior := range fuzzBehaviors() {
		steps := []byte{byte(behavior)}
		for _, text := range []string{
			"A:1 > S:2 SYN", "S:2 > X:1 SYN", "A:1 > S:2 SYN+ACK ack=1001", "S:2 > X:1 RST ack=1001", "B:1 > S:2 SYN",
			"A:1 > X:1 SYN", "udp A:1 > S:2", "S > X unreachable about X:1 > S:2 SYN", "T:2 > X:1 SYN", "a6:1 > s6:2 SYN",
			"s6:2 > a6:1 SYN+ACK ack=1001", "ping A:1 > S", "pong S > X:1",
		} {
			raw := scripted(f, text)
			direction := byte(0)
			if p, _ := parse(raw); !isInside(p.from.Addr()) {
				direction = 1
			}
			steps = append(append(steps, direction, 1, byte(len(raw))), raw...)
		}
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) == 0 {
			return
		}
		behaviors := fuzzBehaviors()
		n := testNAT(behaviors[int(steps[0])%len(behaviors)], "X", "Y", "x6")
		now := testTime
		for steps = steps[1:]; len(steps) >= 3; {
			direction, seconds, length := steps[0], steps[1], min(int(steps[2]), len(steps)-3)
			raw := bytes.Clone(steps[3 : 3+length])
			steps = steps[3+length:]
			now = now.Add(time.Duration(seconds) * time.Second)
			v := n.expire(now)
			checkVerdict(t, v)
			if direction%2 == 0 {
				v = n.outbound(now, raw)
			} else {
				v = n.inbound(now, raw)
			}
			checkVerdict(t, v)
			checkTables(t, n)
		}
	})
}

func checkVerdict(t *testing.T, v verdict) {
	t.Helper()
	for _, b := range append(append([][]byte(nil), v.inside...), v.outside...) {
		if _, ok := parse(b); !ok {
			t.Errorf("sent a malformed packet: %x", b)
		}
	}
}

// checkTables compares the tables of a NAT with each other.
func checkTables(t *testing.T, n *nat) {
	t.Helper()
	if len(n.outgoing) != len(n.incoming) || len(n.mappings) > len(n.outgoing) || len(n.ports) > len(n.outgoing) ||
		len(n.hosts) > len(n.mappings) || len(n.blocks) > len(n.hosts) || len(n.held.queue) > maxHeld {
		t.Fatalf("tables differ: %d outgoing, %d incoming, %d mappings, %d ports, %d hosts, %d blocks, %d held",
			len(n.outgoing), len(n.incoming), len(n.mappings), len(n.ports), len(n.hosts), len(n.blocks), len(n.held.queue))
	}
	listed, sessions := 0, 0
	for _, m := range n.mappings {
		for s := m.newest; s != nil; s = s.older {
			if n.outgoing[flowKey{s.protocol, s.internal, s.remote}] != s || s.mapping != m {
				t.Fatal("a mapping lists a session that is not its own")
			}
			listed++
		}
	}
	for _, h := range n.hosts {
		sessions += h.sessions
		if h.block.size > 0 && n.blocks[h.block.first] != h {
			t.Fatal("a host has a block that is not its own")
		}
	}
	if listed != len(n.outgoing) || sessions != len(n.outgoing) {
		t.Fatalf("%d sessions, but mappings list %d and hosts count %d", len(n.outgoing), listed, sessions)
	}
}
