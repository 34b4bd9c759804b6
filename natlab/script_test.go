package natlab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The tests of the NAT logic are scripts, one step a line:
//
//	A:4000 > S:80 SYN -> X:4000 > S:80 SYN     a packet, and what the NAT sends
//	T:80 > X:4000 SYN -> drop                  a packet, and nothing sent
//	+5m                                        time passes
//	expire -> X:1 > S:2 unreachable            the timer of the NAT
//	reboot                                     the NAT forgets everything
//	renumber Y Z                               the NAT gets other external addresses
//
// Hosts inside are A, B and C, external addresses X, Y and Z (a NAT has X unless told otherwise), hosts
// outside S and T; a6, b6, x6, s6 and t6 are IPv6 ones. Packets are as packetScript tells. Everything
// sent has its checksums compared with computed ones.
//
// Scripts of behaviors that the Linux kernel has run on the kernel, too.
type scriptPlayer struct {
	testing.TB
	nat   scriptNAT
	now   time.Time
	ports map[string]int // ports that results gave to names
}

// scriptNAT is what a script runs on: a nat or the kernel.
type scriptNAT interface {
	outbound(now time.Time, pkt []byte) verdict
	inbound(now time.Time, pkt []byte) verdict
	expire(now time.Time) verdict
	reboot()
	setExternal([]netip.Addr)
}

// scriptCase is a NAT and what it must do.
type scriptCase struct {
	name     string
	behavior Behavior
	script   string
}

// playAll runs scripts, each on a NAT of its own with the external address X.
func playAll(t *testing.T, cases []scriptCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { play(t, c.behavior, c.script) })
	}
}

// play runs a script on a new NAT with the external addresses X and x6.
func play(t *testing.T, b Behavior, script string) {
	t.Helper()
	playOn(t, testNAT(b, "X", "x6"), script)
	playOnKernel(t, b, script)
}

// testNAT makes a NAT whose random numbers are the same in each run.
func testNAT(b Behavior, external ...string) *nat {
	var addrs []netip.Addr
	for _, name := range external {
		if b.Allocation != PortUntranslated {
			addrs = append(addrs, scriptHosts[name])
		}
	}
	return newNAT(b, addrs, rand.New(rand.NewPCG(1, 2)))
}

// playOn runs a script on a NAT. The clock of every script starts at the same instant.
func playOn(t *testing.T, n scriptNAT, script string) {
	t.Helper()
	s := &scriptPlayer{TB: t, nat: n, now: testTime, ports: map[string]int{}}
	for i, line := range strings.Split(script, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := s.step(line); err != nil {
			t.Fatalf("line %d: %s\n%v", i, line, err)
		}
	}
}

var testTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *scriptPlayer) step(line string) error {
	do, want, _ := strings.Cut(line, " -> ")
	words := strings.Fields(do)
	switch {
	case line[0] == '+':
		d, err := time.ParseDuration(line[1:])
		s.now = s.now.Add(d)
		if k, ok := s.nat.(interface{ pass(time.Duration) }); ok {
			k.pass(d)
		}
		return err
	case line == "reboot":
		s.nat.reboot()
		return nil
	case words[0] == "renumber":
		var addrs []netip.Addr
		for _, name := range words[1:] {
			addrs = append(addrs, scriptHosts[name])
		}
		s.nat.setExternal(addrs)
		return nil
	case words[0] == "expire":
		return s.compare(want, s.nat.expire(s.now))
	}
	p := s.packet(do)
	if isInside(p.from.addr) {
		return s.compare(want, s.nat.outbound(s.now, p.bytes()))
	}
	return s.compare(want, s.nat.inbound(s.now, p.bytes()))
}

// isInside reports whether an address of the scripts is behind the NAT.
func isInside(a netip.Addr) bool {
	return netip.MustParsePrefix("10.0.0.0/24").Contains(a) || netip.MustParsePrefix("2001:db8:1::/64").Contains(a)
}

// compare compares what a NAT sent with what the script wants.
func (s *scriptPlayer) compare(want string, got verdict) error {
	sent := len(got.inside) + len(got.outside)
	if want == "drop" || want == "" {
		if sent > 0 {
			return fmt.Errorf("got %s, want nothing sent", describe(got))
		}
		return nil
	}
	w := s.packet(want)
	side := got.outside
	if isInside(w.to.addr) {
		side = got.inside
	}
	if sent != 1 || len(side) != 1 {
		return fmt.Errorf("got %s, want one packet on the other side or sides", describe(got))
	}
	p, ok := parse(side[0])
	if !ok {
		return errors.New("got a malformed packet")
	}
	checkSums(s, &p)
	if !s.fits(w, &p) {
		return fmt.Errorf("got %s", describe(got))
	}
	return nil
}

// describe tells what a NAT sent.
func describe(v verdict) string {
	var text []string
	for i, packets := range [][][]byte{v.inside, v.outside} {
		side := []string{"inside", "outside"}[i]
		for _, raw := range packets {
			p, _ := parse(raw)
			what := fmt.Sprintf("protocol %d", p.protocol)
			switch {
			case p.isError():
				what = errorName(&p)
			case p.protocol == protoTCP:
				what = fmt.Sprintf("%v seq=%d ack=%d", p.flags(), p.seq(), p.ack())
			}
			text = append(text, fmt.Sprintf("to the %s %v > %v %s", side, p.from, p.to, what))
		}
	}
	if text == nil {
		return "nothing"
	}
	return strings.Join(text, "; ")
}

// checkSums compares the checksums of a packet with ones computed anew.
func checkSums(t testing.TB, p *packet) {
	t.Helper()
	fresh := packet{raw: append([]byte(nil), p.raw...), transport: p.transport, protocol: p.protocol}
	fresh.fillSums()
	if string(fresh.raw) != string(p.raw) {
		t.Errorf("checksums are wrong:\ngot  %x\nwant %x", p.raw, fresh.raw)
	}
	if !p.isError() {
		return
	}
	if q, ok := p.quoted(); ok && len(q.raw) >= ipLength(q.raw) {
		checkSums(t, &q)
	}
}
