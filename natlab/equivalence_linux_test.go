package natlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// like is the Behavior that ought to do what a kernel NAT does.
func like(k Kernel) Behavior {
	b := Linux()
	if k.Masquerade != MasqueradeKeep {
		b = LinuxRandom()
	}
	if k.Firewall != FirewallDrop {
		b.Unsolicited = UnsolicitedReset
	}
	if k.Liberal {
		b.Checking = CheckStates
	}
	return b
}

// A scene is a NAT under test with two hosts inside, and two servers that accept connections on the ports 4000 and 4001.
type scene struct {
	t    *testing.T
	of   Kernel
	lab  *Lab
	nat  *NAT
	a, b *Host
	s, r *Host
}

func newScene(t *testing.T, makeNAT func(*Lab) *NAT) *scene {
	t.Helper()
	lab := logged(t, Test(t, Config{}))
	x := &scene{t: t, lab: lab, nat: makeNAT(lab)}
	x.a, x.b = x.nat.Host("a"), x.nat.Host("b")
	x.s, x.r = lab.Host("s"), lab.Host("r")
	for _, h := range []*Host{x.s, x.r} {
		for _, port := range []uint16{4000, 4001} {
			l := x.listen(h, port)
			go echo(l)
		}
	}
	return x
}

// logged makes a failed test show every packet.
func logged(t *testing.T, lab *Lab) *Lab {
	t.Helper()
	var log bytes.Buffer
	stop := lab.Log(&log)
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Log("\n" + log.String())
		}
	})
	return lab
}

func (x *scene) listen(h *Host, port uint16) (l net.Listener) {
	x.t.Helper()
	err := h.Do(func() (err error) {
		c := net.ListenConfig{Control: shared}
		l, err = c.Listen(x.t.Context(), "tcp4", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { l.Close() })
	return l
}

// patience is how long a dial may take before it counts as silence. It ends before the first SYN is sent again, after 1 s.
const patience = 500 * time.Millisecond

// dial tells in a word how an attempt to connect ends.
func (x *scene) dial(h *Host, port uint16, to netip.AddrPort) string {
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	c, err := dialFrom(ctx, h, port, to)
	if err == nil {
		x.t.Cleanup(func() { c.(*net.TCPConn).SetLinger(0); c.Close() })
		return "connected"
	}
	return outcomeOf(err)
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.Is(err, unix.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, unix.ECONNRESET):
		return "reset"
	}
	return err.Error()
}

// external is the endpoint from which the internet saw the last SYN to an endpoint.
func (x *scene) external(to netip.AddrPort) netip.AddrPort {
	x.t.Helper()
	var last Flow
	for _, f := range x.lab.Flows() {
		if f.Network == internet && f.Dst == to && f.SYNs > 0 && !f.Last.Before(last.Last) {
			last = f
		}
	}
	return last.Src
}

// port connects and tells the external port in a word that is the same for all runs.
func (x *scene) port(h *Host, local uint16, to netip.AddrPort, seen *[]uint16) string {
	if got := x.dial(h, local, to); got != "connected" {
		return got
	}
	port := x.external(to).Port()
	switch {
	case port == local:
		return "kept"
	case slices.Contains(*seen, port):
		return "same"
	}
	*seen = append(*seen, port)
	return "new"
}

func (x *scene) endpoint(h *Host, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(h.Addr(), port)
}

// knock tells whether the NAT lets a SYN from outside in. What the host inside answers is another matter.
func (x *scene) knock(h *Host, port uint16, to netip.AddrPort) string {
	x.dial(h, port, to)
	for _, f := range x.lab.Flows() {
		if f.Network == x.nat.Name() && f.Src == x.endpoint(h, port) && f.SYNs > 0 {
			return "let in"
		}
	}
	return "kept out"
}

// unanswered makes h send a SYN that nobody hears, and closes the socket.
func (x *scene) unanswered(h *Host, port uint16, to *Host, toPort uint16) string {
	x.lab.Cut(to)
	defer x.lab.Restore(to)
	return x.dial(h, port, x.endpoint(to, toPort))
}

var probes = []struct {
	name string
	of   Kernel
	run  func(x *scene) string
	want string
}{
	{"one local port keeps its mapping to all destinations", Kernel{}, func(x *scene) string {
		var seen []uint16
		return words(x.port(x.a, 40000, x.endpoint(x.s, 4000), &seen), x.port(x.a, 40000, x.endpoint(x.s, 4001), &seen),
			x.port(x.a, 40000, x.endpoint(x.r, 4000), &seen))
	}, "kept kept kept"},
	{"random masquerade changes it for each", Kernel{Masquerade: MasqueradeRandom}, func(x *scene) string {
		var seen []uint16
		return words(x.port(x.a, 40000, x.endpoint(x.s, 4000), &seen), x.port(x.a, 40000, x.endpoint(x.s, 4001), &seen),
			x.port(x.a, 40000, x.endpoint(x.r, 4000), &seen))
	}, "new new new"},
	{"two hosts share a port to different destinations", Kernel{}, func(x *scene) string {
		var seen []uint16
		return words(x.port(x.a, 40000, x.endpoint(x.s, 4000), &seen), x.port(x.b, 40000, x.endpoint(x.r, 4000), &seen))
	}, "kept kept"},
	{"after a clash the new port is kept for later destinations", Kernel{}, func(x *scene) string {
		var seen []uint16
		return words(x.port(x.a, 40000, x.endpoint(x.s, 4000), &seen), x.port(x.b, 40000, x.endpoint(x.s, 4000), &seen),
			x.port(x.b, 40000, x.endpoint(x.s, 4001), &seen), x.port(x.b, 40000, x.endpoint(x.r, 4000), &seen))
	}, "kept new same same"},
	{"a clash shifts later destinations of a port that was kept", Kernel{}, func(x *scene) string {
		var seen []uint16
		return words(x.port(x.a, 40000, x.endpoint(x.s, 4000), &seen), x.port(x.b, 40000, x.endpoint(x.r, 4000), &seen),
			x.port(x.b, 40000, x.endpoint(x.s, 4000), &seen), x.port(x.b, 40000, x.endpoint(x.r, 4001), &seen))
	}, "kept kept new same"},
	{"an unsolicited SYN is dropped", Kernel{}, unsolicited, "silence silence silence"},
	{"an unsolicited SYN is rejected", Kernel{Firewall: FirewallReject}, unsolicited, "refused refused refused"},
	{"an unsolicited SYN without firewall is refused", Kernel{Firewall: FirewallNone}, unsolicited, "refused refused refused"},
	{"simultaneous open crosses", Kernel{}, simultaneous(100*time.Millisecond, 0), "ok ok"},
	{"simultaneous open comes late", Kernel{}, simultaneous(25*time.Millisecond, 300*time.Millisecond), "ok ok"},
	{"simultaneous open crosses behind a firewall that rejects", Kernel{Firewall: FirewallReject}, simultaneous(100*time.Millisecond, 10*time.Millisecond), "ok ok"},
	{"simultaneous open comes too late behind a firewall that rejects", Kernel{Firewall: FirewallReject}, simultaneous(25*time.Millisecond, 300*time.Millisecond), "refused refused"},
	{"a listener behind the hole of another socket is cut off by its sequence number", Kernel{}, listenAfterDial, "silence silence"},
	{"a listener behind the hole of another socket is reached with liberal checks", Kernel{Liberal: true}, listenAfterDial, "silence connected"},
	{"a reset that is the only answer closes the hole", Kernel{}, func(x *scene) string {
		return words(x.dial(x.a, 40000, x.endpoint(x.s, 4444)), x.knock(x.s, 4444, x.mapped(40000)))
	}, "refused kept out"},
	{"a SYN without answer leaves the hole open", Kernel{}, func(x *scene) string {
		return words(x.unanswered(x.a, 40000, x.s, 4444), x.knock(x.s, 4444, x.mapped(40000)))
	}, "silence let in"},
	{"a SYN without answer leaves the hole open for two minutes", Kernel{}, func(x *scene) string {
		first := x.unanswered(x.a, 40000, x.s, 4444)
		x.must(x.nat.Age(121 * time.Second))
		return words(first, x.knock(x.s, 4444, x.mapped(40000)))
	}, "silence kept out"},
	{"a reboot closes the hole", Kernel{}, func(x *scene) string {
		first := x.unanswered(x.a, 40000, x.s, 4444)
		x.must(x.nat.Reboot())
		return words(first, x.knock(x.s, 4444, x.mapped(40000)))
	}, "silence kept out"},
	{"the external address from inside is refused at once", Kernel{}, func(x *scene) string {
		return words(x.dial(x.a, 40000, x.endpoint(x.s, 4000)), x.dial(x.b, 40001, x.mapped(40000)))
	}, "connected refused"},
	{"time exceeded ends the dial and leaves the hole open", Kernel{}, func(x *scene) string {
		return words(x.dialTTL(x.a, 40000, x.endpoint(x.s, 4444), 2), x.knock(x.s, 4444, x.mapped(40000)))
	}, "unreachable let in"},
	{"an established connection outlives a reboot if the inside speaks first", Kernel{}, func(x *scene) string {
		return speakAfterReboot(x, true)
	}, "ok ok"},
	{"an established connection is cut off by a reboot if the outside speaks first", Kernel{}, func(x *scene) string {
		return speakAfterReboot(x, false)
	}, "ok silence"},
	{"an injected reset ends the connection", Kernel{}, func(x *scene) string {
		c, err := dialFrom(x.t.Context(), x.a, 40000, x.endpoint(x.s, 4000))
		x.must(err)
		defer c.Close()
		before := exchange(c)
		x.must(x.lab.Reset(x.endpoint(x.s, 4000), x.mapped(40000)))
		c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		return words(before, outcomeOf(err))
	}, "ok reset"},
}

// mapped is a port of the NAT's external address.
func (x *scene) mapped(port uint16) netip.AddrPort { return netip.AddrPortFrom(x.nat.Addr(), port) }

func (x *scene) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// unsolicited dials a mapped port from elsewhere: from another port, another host, and a port that is not mapped.
func unsolicited(x *scene) string {
	if got := x.dial(x.a, 40000, x.endpoint(x.s, 4000)); got != "connected" {
		return got
	}
	return words(x.dial(x.s, 5000, x.mapped(40000)), x.dial(x.r, 4000, x.mapped(40000)), x.dial(x.r, 4000, x.mapped(41000)))
}

// simultaneous opens from inside and outside with one-way delay c, the outside later by skew.
func simultaneous(c, skew time.Duration) func(*scene) string {
	return func(x *scene) string {
		peer := x.lab.NAT("peer", like(x.of))
		host := peer.Host("p")
		x.must(x.lab.SetDelay(x.nat, peer, c))
		onA, onB := openSimultaneously(x.t, x.a, host, x.mapped(40000), netip.AddrPortFrom(peer.Addr(), 40000), skew)
		return words(outcomeOf(onA.err), outcomeOf(onB.err))
	}
}

func TestGoAndKernelMasqueradingBehaveTheSame(t *testing.T) {
	for _, probe := range probes {
		for _, kind := range []string{"go", "kernel"} {
			t.Run(kind+"/"+probe.name, func(t *testing.T) {
				t.Parallel()
				x := newScene(t, func(l *Lab) *NAT {
					if kind == "go" {
						return l.NAT("nat", like(probe.of))
					}
					needNFT(t)
					return l.KernelNAT("nat", probe.of)
				})
				x.of = probe.of
				if got := probe.run(x); got != probe.want {
					t.Errorf("got %s, want %s", got, probe.want)
				}
			})
		}
	}
}

// listenAfterDial opens a hole with a socket that is closed again, and listens in its place (techniques 4.4).
func listenAfterDial(x *scene) string {
	first := x.unanswered(x.a, 40000, x.s, 4444)
	x.listen(x.a, 40000)
	return words(first, x.dial(x.s, 4444, x.mapped(40000)))
}

// dialTTL is dial with a hop limit.
func (x *scene) dialTTL(h *Host, port uint16, to netip.AddrPort, ttl int) string {
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	err := h.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{Port: int(port)}, Control: func(network, address string, c syscall.RawConn) error {
			var err error
			c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl) })
			return errors.Join(err, shared(network, address, c))
		}}
		c, err := d.DialContext(ctx, "tcp4", to.String())
		if err == nil {
			c.Close()
		}
		return err
	})
	return outcomeOf(err)
}

// exchange sends a byte to an echo server and waits for it to come back.
func exchange(c net.Conn) string {
	c.SetDeadline(time.Now().Add(500 * time.Millisecond))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write([]byte{1}); err != nil {
		return outcomeOf(err)
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return outcomeOf(err)
}

// speakAfterReboot exchanges bytes before and after the NAT has forgotten the connection.
func speakAfterReboot(x *scene, insideFirst bool) string {
	l := x.listen(x.s, 4002)
	c, err := dialFrom(x.t.Context(), x.a, 40000, x.endpoint(x.s, 4002))
	x.must(err)
	defer c.Close()
	far, err := l.Accept()
	x.must(err)
	defer far.Close()
	before := pass(c, far)
	settle(x.t, x.lab)
	x.must(x.nat.Reboot())
	if insideFirst {
		return words(before, pass(c, far))
	}
	return words(before, pass(far, c))
}

// settle waits until no acknowledgement is due any more, which Linux delays by up to 200 ms.
func settle(t *testing.T, lab *Lab) {
	t.Helper()
	const quiet = 250 * time.Millisecond
	for {
		var last time.Time
		for _, f := range lab.Flows() {
			if f.Last.After(last) {
				last = f.Last
			}
		}
		if time.Since(last) > quiet {
			return
		}
		if err := waitUntil(last.Add(quiet)); err != nil {
			t.Fatal(err)
		}
	}
}

// pass sends a byte one way.
func pass(from, to net.Conn) string {
	to.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := from.Write([]byte{1}); err != nil {
		return outcomeOf(err)
	}
	_, err := io.ReadFull(to, make([]byte, 1))
	return outcomeOf(err)
}

func words(w ...string) string { return strings.Join(w, " ") }
