package portmap_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bodkin-p2p/bodkin/internal/portmap"
	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

const (
	port     = 40000
	patience = 15 * time.Second
)

// A home is a kernel NAT with a daemon that forwards ports, and a host behind it.
type home struct {
	lab    *natlab.Lab
	nat    *natlab.NAT
	daemon *natlab.Miniupnpd
	host   *natlab.Host
	world  *natlab.Host // outside
}

var everything = natlab.PortMapping{UPnP: true, PCP: true, NATPMP: true}

func newHome(t *testing.T, offer natlab.PortMapping, lines ...string) *home {
	t.Helper()
	lab := natlab.Test(t, natlab.Config{})
	h := &home{lab: lab, nat: lab.KernelNAT("nat", natlab.Kernel{}, natlab.At("11.0.0.1")), world: lab.Host("world")}
	h.host = h.nat.Host("host")
	h.daemon = natlab.TestMiniupnpd(t, h.nat, offer, lines...)
	return h
}

// A run is portmap.Run at work on a host.
type run struct {
	states chan portmap.State
	stop   func() // and waits
}

func start(t *testing.T, on *natlab.Host, c portmap.Config) *run {
	t.Helper()
	r := &run{states: make(chan portmap.State, 100)}
	c.Port, c.Within = port, on.Do
	c.Changed = func(s portmap.State) { r.states <- s }
	c.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- portmap.Run(ctx, c) }()
	stopped := false
	r.stop = func() {
		if cancel(); !stopped {
			stopped = true
			<-ended
		}
	}
	t.Cleanup(r.stop)
	return r
}

// next returns the next state in which there is a mapping or the reason why not.
func (r *run) next(t *testing.T) portmap.State {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case s := <-r.states:
			if s.Mapping != nil || s.Err != nil {
				return s
			}
		case <-timeout:
			t.Fatal("nothing came of the mapping")
		}
	}
}

// mapped is next, for which there must be a mapping.
func (r *run) mapped(t *testing.T) portmap.Mapping {
	t.Helper()
	s := r.next(t)
	if s.Mapping == nil {
		t.Fatalf("not mapped: %v", s.Err)
	}
	return *s.Mapping
}

// reaches reports whether a connection from outside to an endpoint ends at the host.
func (h *home) reaches(t *testing.T, host *natlab.Host, endpoint netip.AddrPort) bool {
	t.Helper()
	l, err := host.Listen("tcp", netip.AddrPortFrom(netip.IPv4Unspecified(), port).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, host.Name())
			c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := h.world.Dial(ctx, "tcp", endpoint.String())
	if err != nil {
		return false
	}
	defer c.Close()
	name, _ := io.ReadAll(c)
	return string(name) == host.Name()
}

func (h *home) forwarded(t *testing.T) []string {
	t.Helper()
	rules, err := h.daemon.Forwarded()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func (h *home) awaitForwarded(t *testing.T, what string, want func(rules []string) bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		rules := h.forwarded(t)
		if want(rules) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: never, rules are %q", what, rules)
		}
	}
}

func isEmpty(rules []string) bool { return len(rules) == 0 }

func TestEachProtocolAloneMapsThePortAndRemovesIt(t *testing.T) {
	for _, row := range []struct {
		name  string
		offer natlab.PortMapping
		want  portmap.Protocol
	}{
		{"PCP", natlab.PortMapping{PCP: true}, portmap.PCP},
		{"NAT-PMP", natlab.PortMapping{NATPMP: true}, portmap.NATPMP},
		{"UPnP version 1", natlab.PortMapping{UPnPv1: true}, portmap.UPnP},
		{"UPnP version 2", natlab.PortMapping{UPnP: true}, portmap.UPnP},
		{"all at once", everything, portmap.PCP},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHome(t, row.offer)
			began := time.Now()
			r := start(t, h.host, portmap.Config{})
			m := r.mapped(t)
			t.Logf("mapped after %v: %+v", time.Since(began).Round(time.Millisecond), m)
			if m.Protocol != row.want || m.External != netip.AddrPortFrom(h.nat.Addr(), port) {
				t.Errorf("got %+v, want %v at %v:%d", m, row.want, h.nat.Addr(), port)
			}
			if !h.reaches(t, h.host, m.External) {
				t.Errorf("%v does not lead to the host; rules %q", m.External, h.forwarded(t))
			}
			began = time.Now()
			r.stop()
			t.Logf("removed after %v", time.Since(began).Round(time.Millisecond))
			if rules := h.forwarded(t); len(rules) > 0 {
				t.Errorf("left behind: %q", rules)
			}
		})
	}
}

func TestASecondNodeGetsAnotherPort(t *testing.T) {
	for name, offer := range map[string]natlab.PortMapping{
		"PCP": {PCP: true}, "NAT-PMP": {NATPMP: true}, "UPnP version 1": {UPnPv1: true}, "UPnP version 2": {UPnP: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, offer)
			other := h.nat.Host("other")
			first := start(t, h.host, portmap.Config{}).mapped(t)
			second := start(t, other, portmap.Config{}).mapped(t)
			if first.External == second.External || second.External.Addr() != h.nat.Addr() {
				t.Fatalf("both wanted %d: one has %v, the other %v", port, first.External, second.External)
			}
			if !h.reaches(t, h.host, first.External) || !h.reaches(t, other, second.External) {
				t.Errorf("%v and %v do not lead to the two hosts", first.External, second.External)
			}
		})
	}
}

func TestAMappingIsRenewedAtHalfOfItsLife(t *testing.T) {
	for name, offer := range map[string]natlab.PortMapping{"PCP": {PCP: true}, "NAT-PMP": {NATPMP: true}, "UPnP": {UPnP: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lifetime = 4 * time.Second
			h := newHome(t, offer, "min_lifetime=4", "clean_ruleset_interval=0")
			m := start(t, h.host, portmap.Config{Lifetime: lifetime}).mapped(t)
			if m.Lifetime > lifetime {
				t.Fatalf("a lease of %v, not %v, is too long for this test", m.Lifetime, lifetime)
			}
			<-time.After(2*m.Lifetime + time.Second)
			if !h.reaches(t, h.host, m.External) {
				t.Errorf("the mapping has ended; rules %q", h.forwarded(t))
			}
		})
	}
}

func TestAGatewayThatLostTheMappingIsAskedAgain(t *testing.T) {
	for name, offer := range map[string]natlab.PortMapping{"PCP": {PCP: true}, "NAT-PMP": {NATPMP: true}, "UPnP": {UPnP: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t, offer)
			m := start(t, h.host, portmap.Config{Interval: 500 * time.Millisecond}).mapped(t)
			<-time.After(4 * time.Second) // a clock that has hardly begun cannot be seen to begin anew
			if err := h.daemon.Kill(); err != nil {
				t.Fatal(err)
			}
			h.awaitForwarded(t, "rules gone", isEmpty)
			if err := h.daemon.Start(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			h.awaitForwarded(t, "mapped again", func(rules []string) bool { return !isEmpty(rules) })
			t.Logf("mapped again after %v", time.Since(began).Round(time.Millisecond))
			if !h.reaches(t, h.host, m.External) {
				t.Errorf("%v does not lead to the host; rules %q", m.External, h.forwarded(t))
			}
		})
	}
}

func TestAGatewayThatOffersNothingIsLeftInPeace(t *testing.T) {
	for _, row := range []struct {
		name   string
		silent bool
		most   int64 // packets to it
	}{
		{"silent", true, 3 + 3 + 2*3*2}, // PCP and NAT-PMP three each; SSDP two rounds for three targets, also to the group
		{"refuses by ICMP", false, 3 + 3 + 2*3*2},
	} {
		t.Run(row.name, func(t *testing.T) {
			lab := natlab.Test(t, natlab.Config{})
			nat := lab.NAT("nat", natlab.Linux())
			if row.silent {
				nat = lab.KernelNAT("kernel", natlab.Kernel{})
				silence(t, nat)
			}
			host := nat.Host("host")
			began := time.Now()
			s := start(t, host, portmap.Config{Interval: 100 * time.Millisecond}).next(t)
			took := time.Since(began)
			if !errors.Is(s.Err, portmap.ErrNotOffered) || s.Gateway != nat.Gateway() {
				t.Errorf("got %+v, want ErrNotOffered of %v", s, nat.Gateway())
			}
			<-time.After(time.Second)
			var sent int64
			for _, f := range lab.Flows() {
				if f.From == "host" && (f.Dst.Addr() == nat.Gateway() || f.Dst.Addr().IsMulticast()) {
					sent += f.Packets
				}
			}
			t.Logf("known after %v and %d packets", took.Round(time.Millisecond), sent)
			if sent > row.most || sent == 0 {
				t.Errorf("%d packets, want at most %d", sent, row.most)
			}
		})
	}
}

// silence has a router drop all that is meant for itself.
func silence(t *testing.T, nat *natlab.NAT) {
	t.Helper()
	load := nat.Router().Command(t.Context(), "/usr/sbin/nft", "-f", "-")
	load.Stdin = strings.NewReader(`table inet silent { chain input { type filter hook input priority -10; meta l4proto udp drop; }; }`)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestWithoutAGatewayThatIsSaid(t *testing.T) {
	lab := natlab.Test(t, natlab.Config{})
	s := start(t, lab.Host("public"), portmap.Config{}).next(t)
	if !errors.Is(s.Err, portmap.ErrNoGateway) {
		t.Errorf("got %+v, want ErrNoGateway", s)
	}
}

func TestOnlyTheGatewayIsHeard(t *testing.T) {
	lab := natlab.Test(t, natlab.Config{})
	nat := lab.KernelNAT("nat", natlab.Kernel{})
	silence(t, nat)
	host, liar := nat.Host("host"), nat.Host("liar")
	conn, err := listenPacket(liar, ":1900")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	visited := make(chan struct{}, 100)
	web, err := liar.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	go func() {
		for {
			c, err := web.Accept()
			if err != nil {
				return
			}
			visited <- struct{}{}
			c.Close()
		}
	}()
	err = liar.Do(func() error { return joinSSDP(conn) })
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{}, 100)
	go func() {
		b := make([]byte, 2048)
		for {
			_, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			heard <- struct{}{}
			answer := "HTTP/1.1 200 OK\r\nLOCATION: http://" + liar.Addr().String() + "/\r\nST: upnp:rootdevice\r\n\r\n"
			conn.WriteTo([]byte(answer), from)
		}
	}()
	if s := start(t, host, portmap.Config{Protocols: []portmap.Protocol{portmap.UPnP}}).next(t); s.Err == nil {
		t.Errorf("mapped by a stranger: %+v", s)
	}
	if len(heard) == 0 {
		t.Error("the stranger heard no search: the test shows nothing")
	}
	if len(visited) > 0 {
		t.Error("the stranger's description was fetched")
	}
}

func listenPacket(h *natlab.Host, address string) (conn net.PacketConn, err error) {
	err = h.Do(func() error {
		conn, err = net.ListenPacket("udp4", address)
		return err
	})
	return conn, err
}

// joinSSDP has a socket of the calling thread's namespace receive searches.
func joinSSDP(conn net.PacketConn) error {
	raw, err := conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		return err
	}
	var joined error
	err = raw.Control(func(fd uintptr) {
		joined = unix.SetsockoptIPMreq(int(fd), unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{Multiaddr: [4]byte{239, 255, 255, 250}})
	})
	return errors.Join(err, joined)
}
