package natlab

import (
	"fmt"
	"testing"
	"time"
)

func TestEntriesExpireAfterTheTimeoutOfTheirState(t *testing.T) {
	const (
		syn  = "A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN\n"
		sa   = syn + "S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK\n"
		open = sa + "A:4000 > S:80 ACK seq=101 ack=501 -> X:4000 > S:80 ACK\n"
		fin  = open + "A:4000 > S:80 FIN+ACK seq=101 ack=501 -> X:4000 > S:80 FIN+ACK\n"
		wait = fin + "S:80 > X:4000 ACK seq=501 ack=102 -> S:80 > A:4000 ACK\n"
		last = wait + "S:80 > X:4000 FIN+ACK seq=501 ack=102 -> S:80 > A:4000 FIN+ACK\n"
		tw   = last + "A:4000 > S:80 ACK seq=102 ack=502 -> X:4000 > S:80 ACK\n"
		rst  = open + "S:80 > X:4000 RST seq=501 -> S:80 > A:4000 RST\n"
		both = syn + "S:80 > X:4000 SYN seq=500 -> S:80 > A:4000 SYN\n"
		data = open + "A:4000 > S:80 ACK seq=101 ack=501 len=5 -> X:4000 > S:80 ACK\n"
		udp  = "udp A:4000 > S:80 -> udp X:4000 > S:80\n"
		udp2 = udp + "udp S:80 > X:4000 -> udp S:80 > A:4000\n"
		ping = "ping A:4000 > S:0 -> ping X:4000 > S:0\n"
	)
	const ackIn = "S:80 > X:4000 ACK seq=501 ack=101"
	const udpIn, pongIn = "udp S:80 > X:4000", "pong S:0 > X:4000"
	for _, c := range []struct {
		state, script string
		probe         string // passes unless the entry has expired
		linux, rfc    time.Duration
	}{
		{"SYN sent", syn, "S:80 > X:4000 SYN seq=500", 120 * time.Second, 4 * time.Minute},
		{"SYN received", sa, ackIn, 60 * time.Second, 4 * time.Minute},
		{"simultaneous open", both, "S:80 > X:4000 SYN seq=500", 120 * time.Second, 4 * time.Minute},
		{"established", open, ackIn, 5 * 24 * time.Hour, 124 * time.Minute},
		{"unacknowledged data", data, ackIn, 5 * time.Minute, 124 * time.Minute},
		{"FIN sent", fin, ackIn, 2 * time.Minute, 4 * time.Minute},
		{"FIN acknowledged", wait, ackIn, time.Minute, 4 * time.Minute},
		{"both FIN sent", last, ackIn, 30 * time.Second, 4 * time.Minute},
		{"both FIN acknowledged", tw, ackIn, 2 * time.Minute, 4 * time.Minute},
		{"reset", rst, ackIn, 10 * time.Second, 4 * time.Minute},
		{"UDP", udp, udpIn, 30 * time.Second, 5 * time.Minute},
		{"UDP both ways", udp2, udpIn, 30 * time.Second, 5 * time.Minute},
		{"ping", ping, pongIn, 30 * time.Second, time.Minute},
	} {
		for name, b := range map[string]Behavior{"linux": Linux(), "rfc": PortRestrictedCone()} {
			timeout := map[string]time.Duration{"linux": c.linux, "rfc": c.rfc}[name]
			t.Run(c.state+"/"+name, func(t *testing.T) {
				kept := c.probe + " -> " + translated(c.probe)
				playOn(t, testNAT(b, "X"), fmt.Sprintf("%s+%v\n%s", c.script, timeout-1, kept))
				play(t, b, fmt.Sprintf("%s+%v\n%s", c.script, timeout-2*time.Second, kept)) // as exact as a kernel tells
				play(t, b, fmt.Sprintf("%s+%v\n%s -> drop", c.script, timeout, c.probe))
			})
		}
	}
}

// translated is what comes out for an inbound packet of the table above.
func translated(probe string) string {
	switch {
	case probe[:3] == "udp":
		return "udp S:80 > A:4000"
	case probe[:4] == "pong":
		return "pong S:0 > A:4000"
	case probe == "S:80 > X:4000 SYN seq=500":
		return "S:80 > A:4000 SYN"
	}
	return "S:80 > A:4000 ACK"
}

func TestPacketsProlongAnEntryButRepeatedSYNsDoNot(t *testing.T) {
	playAll(t, []scriptCase{
		{"SYN", Linux(), `
			A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
			+119s
			A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
			+1s
			S:80 > X:4000 SYN -> drop
		`},
		{"data", PortRestrictedCone(), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN+ACK -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 ACK -> X:4000 > S:80 ACK
			+123m
			S:80 > X:4000 ACK -> S:80 > A:4000 ACK
			+123m
			A:4000 > S:80 ACK -> X:4000 > S:80 ACK
			+123m
			S:80 > X:4000 ACK -> S:80 > A:4000 ACK
			+124m
			S:80 > X:4000 ACK -> drop
		`},
		{"a UDP stream", Linux(), `
			udp A:4000 > S:80 -> udp X:4000 > S:80
			udp S:80 > X:4000 -> udp S:80 > A:4000
			+2001ms
			udp A:4000 > S:80 -> udp X:4000 > S:80
			+119s
			udp S:80 > X:4000 -> udp S:80 > A:4000
			+120s
			udp S:80 > X:4000 -> drop
		`},
		{"UDP", PortRestrictedCone(), `
			udp A:4000 > S:80 -> udp X:4000 > S:80
			+4m
			udp S:80 > X:4000 -> udp S:80 > A:4000
			+4m
			udp S:80 > X:4000 -> udp S:80 > A:4000
			+5m
			udp S:80 > X:4000 -> drop
		`},
	})
}

func TestMappingEndsAfterItsLifetimeHoweverBusy(t *testing.T) {
	b := CarrierGrade()
	b.Timeouts.Lifetime = 10 * time.Minute
	play(t, b, `
		udp A:4000 > S:80 -> udp X:p > S:80
		+4m
		udp A:4000 > S:80 -> udp X:p > S:80
		+4m
		udp A:4000 > T:80 -> udp X:p > T:80
		+119s
		udp A:4000 > S:80 -> udp X:p > S:80
		udp S:80 > X:p -> udp S:80 > A:4000
		+1s
		udp S:80 > X:p -> drop
		udp T:80 > X:p -> drop
		udp A:4000 > S:80 -> udp X:q > S:80
	`)
}

func TestTableHasALimit(t *testing.T) {
	n := testNAT(Linux(), "X")
	open := func(i int, now time.Time) bool {
		p := packetScript{kind: "udp", from: scriptEnd{addr: scriptHosts["A"], port: i & 0xffff},
			to: scriptEnd{addr: scriptHosts["S"], port: i >> 16}}
		return len(n.outbound(now, p.bytes()).outside) == 1
	}
	for i := range maxSessions + 100 {
		if got, want := open(i, testTime), i < maxSessions; got != want {
			t.Fatalf("session %d: passed is %v, want %v", i, got, want)
		}
	}
	if !open(1<<20, testTime.Add(time.Hour)) {
		t.Error("the table is still full after all sessions have expired")
	}
	if len(n.outgoing) != 1 || len(n.incoming) != 1 || len(n.mappings) != 1 || len(n.ports) != 1 {
		t.Errorf("tables have %d, %d, %d and %d entries, want 1 each",
			len(n.outgoing), len(n.incoming), len(n.mappings), len(n.ports))
	}
}
