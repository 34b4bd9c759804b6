package bodkin_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// newWideWorld is a world whose server has three IPv4 addresses and one of IPv6. The invite does not name the third, so that no node
// sends there, however long a connection to the others takes.
func newWideWorld(t testing.TB) *world {
	t.Helper()
	return newWideWorldOf(t, "203.0.113.10", "203.0.113.20", "2001:db8::10")
}

// newWideWorldOf is newWideWorld with an invite that names those addresses.
func newWideWorldOf(t testing.TB, named ...string) *world {
	t.Helper()
	lab := natlab.Test(t, natlab.Config{})
	w := &world{lab: lab, server: lab.Host("s", natlab.At("203.0.113.10", "203.0.113.20", "203.0.113.30", "2001:db8::10"))}
	w.start(t, server.Config{Home: t.TempDir(), Advertise: named})
	return w
}

// measured waits until a node has measured its networks.
func measured(t testing.TB, node *bodkin.Node) bodkin.Status {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		if status := node.Status(); status.Measured {
			return status
		}
		select {
		case <-deadline:
			t.Fatalf("not measured: %+v", node.Status())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// joinMeasured makes a node that has found its networks to be as they are. On a busy machine an answer may come too late, and is taken for
// none: then another node finds out.
func (w *world) joinMeasured(t testing.TB, host home, config bodkin.Config, asTheyAre func(bodkin.Status) bool) (*bodkin.Node, bodkin.Status) {
	t.Helper()
	var node *bodkin.Node
	var status bodkin.Status
	unlessStalled(t, func() error {
		node = w.join(t, host, config)
		if status = measured(t, node); asTheyAre(status) {
			return nil
		}
		node.Close()
		return fmt.Errorf("measured %+v and %+v", status.IPv4, status.IPv6)
	})
	return node, status
}

// classic tells whether IPv4 was measured to be of a classic kind.
func classic(kind string) func(bodkin.Status) bool {
	return func(s bodkin.Status) bool { return s.IPv4.Classic == kind }
}

// TestBehaviorsAreMeasured puts a node behind every kind of network that natlab knows, and compares what it finds out.
func TestBehaviorsAreMeasured(t *testing.T) {
	type want struct {
		classic, mapping, filtering, unsolicited, allocation string
		delta                                                int
		hairpin                                              string
	}
	vary := func(b natlab.Behavior, change func(*natlab.Behavior)) func(*natlab.Lab, string) *natlab.NAT {
		change(&b)
		return goBox(b)
	}
	for name, c := range map[string]struct {
		nat  func(*natlab.Lab, string) *natlab.NAT // nil: none
		want want
	}{
		"public":               {nil, want{"Open", "none", "none", "accepted", "preserving", 0, "unknown"}},
		"full cone":            {goBox(natlab.FullCone()), want{"Full cone", "endpoint-independent", "endpoint-independent", "accepted", "preserving", 0, "yes"}},
		"restricted cone":      {goBox(natlab.RestrictedCone()), want{"Restricted cone", "endpoint-independent", "address-dependent", "dropped", "preserving", 0, "yes"}},
		"port restricted cone": {goBox(natlab.PortRestrictedCone()), want{"Port restricted cone", "endpoint-independent", "address-and-port-dependent", "dropped", "preserving", 0, "yes"}},
		"linux":                {goBox(natlab.Linux()), want{"Port restricted cone", "endpoint-independent", "address-and-port-dependent", "dropped", "preserving", 0, "no"}},
		"linux, rejecting":     {goBox(natlab.LinuxReject()), want{"Port restricted cone", "endpoint-independent", "address-and-port-dependent", "reset", "preserving", 0, "no"}},
		"answering by icmp": {vary(natlab.PortRestrictedCone(), func(b *natlab.Behavior) { b.Unsolicited = natlab.UnsolicitedUnreachable }),
			want{"Port restricted cone", "endpoint-independent", "address-and-port-dependent", "icmp", "preserving", 0, "yes"}},
		"carrier-grade": {goBox(natlab.CarrierGrade()), want{"Port restricted cone", "endpoint-independent", "address-and-port-dependent", "dropped", "block", 0, "yes"}},
		"address-dependent mapping": {vary(natlab.Symmetric(), func(b *natlab.Behavior) { b.Mapping = natlab.AddressDependent }),
			want{"Symmetric", "address-dependent", "address-and-port-dependent", "dropped", "random", 0, "unknown"}},
		"symmetric":            {goBox(natlab.Symmetric()), want{"Symmetric", "address-and-port-dependent", "address-and-port-dependent", "dropped", "random", 0, "unknown"}},
		"symmetric sequential": {goBox(natlab.SequentialSymmetric()), want{"Symmetric", "address-and-port-dependent", "address-and-port-dependent", "dropped", "delta", 1, "unknown"}},
		"symmetric by minus two": {vary(natlab.SequentialSymmetric(), func(b *natlab.Behavior) { b.PortDelta = -2 }),
			want{"Symmetric", "address-and-port-dependent", "address-and-port-dependent", "dropped", "delta", -2, "unknown"}},
		"symmetric in a block": {vary(natlab.Symmetric(), func(b *natlab.Behavior) { b.Allocation, b.RandomInBlock = natlab.PortBlock, true }),
			want{"Symmetric", "address-and-port-dependent", "address-and-port-dependent", "dropped", "block", 0, "unknown"}},
		"kernel":            {kernelBox, want{"Port restricted cone", "endpoint-independent", "address-and-port-dependent", "dropped", "preserving", 0, "no"}},
		"kernel, rejecting": {kernelNAT(natlab.Kernel{Firewall: natlab.FirewallReject}), want{"Port restricted cone", "endpoint-independent", "address-and-port-dependent", "reset", "preserving", 0, "no"}},
		"kernel, random":    {kernelNAT(natlab.Kernel{Masquerade: natlab.MasqueradeRandom}), want{"Symmetric", "address-and-port-dependent", "address-and-port-dependent", "dropped", "random", 0, "unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stopwatch.Met(t, func() error { // what comes too late is taken for dropped
				w := newWideWorld(t)
				host := home{}
				if c.nat == nil {
					host.Host = w.lab.Host("a")
				} else {
					host = behind(c.nat(w.lab, "nat"), "a")
				}
				w.lab.SetDelay(host, w.server, 5*time.Millisecond)
				node := w.join(t, host, bodkin.Config{Name: "ada", NoPortMapping: true})
				b := measured(t, node).IPv4
				got := want{b.Classic, b.Mapping, b.Filtering, b.Unsolicited, b.Allocation, b.Delta, b.Hairpin}
				if got != c.want {
					return fmt.Errorf("got  %+v\nwant %+v\nwhole: %+v", got, c.want, b)
				}
				return nil
			})
		})
	}
}

func kernelNAT(k natlab.Kernel) func(*natlab.Lab, string) *natlab.NAT {
	return func(lab *natlab.Lab, name string) *natlab.NAT { return lab.KernelNAT(name, k) }
}

// TestBothAddressFamiliesAreMeasured has a node whose main connection is IPv4 find out about IPv6, and have it told to a peer.
func TestBothAddressFamiliesAreMeasured(t *testing.T) {
	t.Parallel()
	w := newWideWorld(t)
	nat := w.lab.NAT("nat", natlab.PortRestrictedCone(), natlab.At("198.51.100.1", "2001:db8:1::1"), natlab.Inside("10.7.0.0/24", "2001:db8:7::/64"))
	host := home{nat.Host("a", natlab.At("10.7.0.2", "2001:db8:7::2")), nat, nat.Addr()}
	node, status := w.joinMeasured(t, host, bodkin.Config{Name: "ada", NoPortMapping: true}, func(s bodkin.Status) bool {
		v6 := s.IPv6
		return s.Reflexive.Addr().Is4() && s.IPv4.Classic == "Port restricted cone" && v6.Classic == "Firewall" && v6.Mapping == "none" && v6.Filtering == "address-and-port-dependent" &&
			v6.Unsolicited == "dropped"
	})
	if want := netip.AddrPortFrom(host.Addrs()[1], node.Port()); status.IPv6.Last != want {
		t.Errorf("the server saw %v over IPv6, want %v", status.IPv6.Last, want)
	}
}

// TestAFailedDialTellsWhichNATIsInTheWay dials out of a symmetric NAT, without a relay, once both sides know their networks.
func TestAFailedDialTellsWhichNATIsInTheWay(t *testing.T) {
	t.Parallel()
	w := newWideWorld(t)
	near := behind(w.lab.NAT("near", natlab.Symmetric()), "a")
	far := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
	w.joinMeasured(t, far, bodkin.Config{Name: "ben", NoPortMapping: true}, classic("Port restricted cone")) // first: the server has heard it before a dial
	a, _ := w.joinMeasured(t, near, bodkin.Config{Name: "ada", NoPortMapping: true, Relay: bodkin.RelayNever}, classic("Symmetric"))
	_, err := a.Dial(t.Context(), "ben", "echo")
	var path *bodkin.PathError
	if !errors.As(err, &path) {
		t.Fatalf("got %v, want a PathError", err)
	}
	if path.Local.Classic != "Symmetric" || path.Remote.Classic != "Port restricted cone" {
		t.Errorf("networks are %q and %q, want Symmetric and Port restricted cone", path.Local.Classic, path.Remote.Classic)
	}
	if !strings.HasPrefix(path.Why, "this side's NAT uses another external port for each connection") {
		t.Errorf("why: %q", path.Why)
	}
	if len(path.Tries) == 0 {
		t.Error("no try is told")
	}
	t.Logf("%v", err)
}

// TestANodeOnIPv6IsReachedOverIPv4 has a main connection of IPv6, and a NAT for IPv4 that chooses another port for each new mapping and
// forgets those that nobody uses.
func TestANodeOnIPv6IsReachedOverIPv4(t *testing.T) {
	t.Parallel()
	w := newWideWorldOf(t, "2001:db8::10", "203.0.113.10")
	nat := w.lab.NAT("near", natlab.CarrierGrade(), natlab.At("198.51.100.1", "2001:db8:1::1"), natlab.Inside("10.7.0.0/24", "2001:db8:7::/64"))
	near := home{nat.Host("a", natlab.At("10.7.0.2", "2001:db8:7::2")), nat, nat.Addr()}
	far := behind(w.lab.NAT("far", natlab.PortRestrictedCone(), natlab.At("198.51.100.2")), "b")
	a, _ := w.joinMeasured(t, near, bodkin.Config{Name: "ada", NoPortMapping: true}, func(s bodkin.Status) bool {
		return s.Reflexive.Addr().Is6() && s.IPv4.Last.Addr() == nat.Addr()
	})
	b := w.join(t, far, bodkin.Config{Name: "ben", NoPortMapping: true, Relay: bodkin.RelayNever})
	echo(t, a, "echo")
	if err := nat.Age(10 * time.Minute); err != nil { // longer than RFC 5382 keeps what was reset, shorter than what is open
		t.Fatal(err)
	}
	conn, err := b.Dial(t.Context(), "ada", "echo")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if path := conn.Path(); path.Kind != bodkin.Direct || path.Remote.Addr() != nat.Addr() {
		t.Errorf("path %v to %v, want direct to %v", path.Kind, path.Remote, nat.Addr())
	}
}
