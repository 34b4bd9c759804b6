package natlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

// serve runs an echo server on a port of the host, of both families.
func serve(t *testing.T, h *Host, port uint16) {
	t.Helper()
	l, err := h.Listen("tcp", netip.AddrPortFrom(netip.IPv6Unspecified(), port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go echo(l)
}

func reach(t *testing.T, h *Host, to netip.AddrPort) string {
	t.Helper()
	c, err := dialWithin(t, h, to, patience)
	if err != nil {
		return outcomeOf(err)
	}
	defer c.Close()
	return exchange(c)
}

func TestABytesWayThroughTwoNATs(t *testing.T) {
	lab := Test(t, Config{})
	s := lab.Host("s")
	cgn := lab.NAT("cgn", CarrierGrade())
	home := cgn.NAT("home", Linux())
	a, b := home.Host("a"), home.Host("b")
	serve(t, s, 4000)
	serve(t, b, 5000)
	server := netip.AddrPortFrom(s.Addr(), 4000)
	if got := reach(t, a, server); got != "ok" {
		t.Fatalf("a to the server: %s", got)
	}
	if got := reach(t, a, netip.AddrPortFrom(b.Addr(), 5000)); got != "ok" {
		t.Fatalf("a to b: %s", got)
	}
	from := make(map[string]string)
	for _, f := range lab.Flows() {
		if f.Dst == server {
			from[f.Network] = f.From + " " + f.Src.Addr().String() + " " + f.To
		}
	}
	for network, want := range map[string]string{
		"home":     "a 10.2.0.2 home",
		"cgn":      "home 10.1.0.2 cgn",
		"internet": "cgn 198.51.100.1 s",
	} {
		if from[network] != want {
			t.Errorf("%s saw it as %q, want %q", network, from[network], want)
		}
	}
	if got := lab.Payload(cgn.Addr(), s.Addr()); got != 2 {
		t.Errorf("the internet carried %d bytes between NAT and server, want 2", got)
	}
	for _, f := range lab.Flows() {
		if f.Dst.Port() == 5000 && f.Network != "home" {
			t.Errorf("what a sent to b was seen in %s", f.Network)
		}
	}
}

func TestIPv6IsRoutedThroughAFirewall(t *testing.T) {
	for _, kind := range []string{"go", "kernel"} {
		t.Run(kind, func(t *testing.T) {
			lab := logged(t, Test(t, Config{}))
			s := lab.Host("s", At("203.0.113.10", "2001:db8::10"))
			inside := Inside("192.168.1.0/24", "2001:db8:a::/64")
			var home *NAT
			if kind == "kernel" {
				needNFT(t)
				home = lab.KernelNAT("home", Kernel{}, inside)
			} else {
				home = lab.NAT("home", Linux(), inside)
			}
			a := home.Host("a", At("2001:db8:a::5", "192.168.1.5"))
			serve(t, s, 4000)
			serve(t, a, 5000)
			for _, addr := range s.Addrs() {
				if got := reach(t, a, netip.AddrPortFrom(addr, 4000)); got != "ok" {
					t.Errorf("a to %v: %s, want ok", addr, got)
				}
			}
			to := netip.AddrPortFrom(a.Addrs()[1], 5000)
			if got := reach(t, s, to); got != "silence" {
				t.Errorf("the server to %v: %s, want silence", to, got)
			}
			flow := flowTo(t, lab, netip.AddrPortFrom(s.Addrs()[1], 4000))
			if got, want := flow.Src.Addr(), a.Addrs()[1]; got != want {
				t.Errorf("the address %v came to the internet as %v", want, got)
			}
		})
	}
}

func TestASpoofedSourceDoesNotLeaveTheHost(t *testing.T) {
	lab := Test(t, Config{})
	a, s := lab.Host("a"), lab.Host("s")
	// The host takes an address that it was not given.
	stolen := lab.core.ifconfig([]netip.Addr{netip.MustParseAddr("203.0.113.200")})
	err := a.space.readdress("eth0", stolen)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(s.Addr(), 4000)
	if got := reach(t, a, to); got != "silence" {
		t.Errorf("got %s, want silence", got)
	}
	if f := flowTo(t, lab, to); f.Packets != 0 || f.Dropped == 0 {
		t.Errorf("counted %+v", f)
	}
}

func TestTheLogHasALineForEveryPacket(t *testing.T) {
	lab := Test(t, Config{})
	a, b := lab.Host("a"), lab.Host("b")
	var log bytes.Buffer
	stop := lab.Log(&log)
	reach(t, a, netip.AddrPortFrom(b.Addr(), 4000))
	stop()
	reach(t, a, netip.AddrPortFrom(b.Addr(), 4001))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "internet: a > b: 203.0.113.10:") ||
		!strings.Contains(lines[0], "> 203.0.113.11:4000 tcp [SYN] seq ") ||
		!strings.Contains(lines[1], "internet: b > a: 203.0.113.11:4000 >") ||
		!strings.Contains(lines[1], "tcp [RST+ACK] ") {
		t.Errorf("the log is\n%s\nwant a SYN and its reset", &log)
	}
}

func TestTheCaptureHasEveryPacketOfItsNetwork(t *testing.T) {
	lab := Test(t, Config{})
	nat := lab.NAT("nat", Linux())
	a, s := nat.Host("a"), lab.Host("s")
	var inside, outside bytes.Buffer
	var stops []func()
	for network, file := range map[Network]*bytes.Buffer{nat: &inside, lab: &outside} {
		stop, err := lab.Capture(file, network)
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	reach(t, a, netip.AddrPortFrom(s.Addr(), 4000))
	for _, stop := range stops {
		stop()
	}
	for name, c := range map[string]struct {
		file []byte
		from netip.Addr
	}{"inside": {inside.Bytes(), a.Addr()}, "outside": {outside.Bytes(), nat.Addr()}} {
		packets := readPcap(t, c.file)
		if len(packets) != 2 {
			t.Errorf("%s has %d packets, want a SYN and its reset", name, len(packets))
			continue
		}
		if p, ok := parse(packets[0]); !ok || !p.isSYN() || p.src().Addr() != c.from {
			t.Errorf("%s begins with %v, want a SYN from %v", name, packets[0], c.from)
		}
	}
}

func readPcap(t *testing.T, file []byte) (packets [][]byte) {
	t.Helper()
	if len(file) < 24 || binary.LittleEndian.Uint32(file) != 0xa1b23c4d {
		t.Fatalf("not a pcap file: % x", file[:min(24, len(file))])
	}
	for file = file[24:]; len(file) >= 16; {
		seconds, nanos := binary.LittleEndian.Uint32(file), binary.LittleEndian.Uint32(file[4:])
		at := time.Unix(int64(seconds), int64(nanos))
		if since := time.Since(at); since < 0 || since > time.Minute {
			t.Errorf("a packet of %v", at)
		}
		n := int(binary.LittleEndian.Uint32(file[8:]))
		packets = append(packets, file[16:16+n])
		file = file[16+n:]
	}
	return packets
}

func TestHostsBehindOneNATMeetAtItsExternalAddress(t *testing.T) {
	x := newScene(t, func(l *Lab) *NAT { return l.NAT("nat", FullCone()) })
	if got := x.dial(x.a, 40000, x.endpoint(x.s, 4000)); got != "connected" {
		t.Fatal(got)
	}
	go echo(x.listen(x.a, 40000))
	if got := x.dial(x.b, 40001, x.mapped(40000)); got != "connected" {
		t.Errorf("it hairpins: %s, want connected", got)
	}
	if n := x.lab.SYNs()[x.nat.Addr()][x.mapped(40000)]; n != 0 {
		t.Errorf("the internet saw %d of its SYNs", n)
	}
}

func TestAHeldSYNIsAnsweredInTime(t *testing.T) {
	stopwatch.Met(t, func() error { return holdSYN(t) })
}

// holdSYN tells if a held SYN was not refused. It may come too late to be held.
func holdSYN(t *testing.T) error {
	x := newScene(t, func(l *Lab) *NAT { return l.NAT("nat", CarrierGrade()) })
	if got := x.dial(x.a, 40000, x.endpoint(x.s, 4000)); got != "connected" {
		t.Fatal(got)
	}
	mapped := x.external(x.endpoint(x.s, 4000))
	answer := make(chan string, 1)
	go func() { answer <- x.dial(x.r, 4444, mapped) }()
	// The SYN is held for 6 s (RFC 5382, REQ-4), which pass as soon as it is there.
	for x.lab.SYNs()[x.r.Addr()][mapped] == 0 {
		x.must(waitUntil(time.Now().Add(time.Millisecond)))
	}
	x.must(waitUntil(time.Now().Add(20 * time.Millisecond)))
	x.must(x.nat.Age(6 * time.Second))
	if got := <-answer; got != "refused" {
		return fmt.Errorf("the dial ended in %s, want refused", got)
	}
	return nil
}

func TestBothEndsOfAConnectionAreReset(t *testing.T) {
	lab := Test(t, Config{})
	a, s := lab.NAT("nat", Linux()).Host("a"), lab.Host("s")
	listener, err := s.Listen("tcp4", "0.0.0.0:4000")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := a.Dial(t.Context(), "tcp4", netip.AddrPortFrom(s.Addr(), 4000).String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	outside := netip.MustParseAddrPort(far.RemoteAddr().String())
	if err := lab.ResetBoth(netip.AddrPortFrom(s.Addr(), 4000), outside); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]net.Conn{"near": near, "far": far} {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: read gives %v, want a reset", name, err)
		}
	}
	if err := lab.ResetBoth(netip.AddrPortFrom(s.Addr(), 4001), outside); err == nil {
		t.Error("a connection that never was: no error")
	}
}
