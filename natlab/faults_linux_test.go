package natlab

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

func TestACutLinkCarriesNothingUntilItIsRestored(t *testing.T) {
	x := newScene(t, func(l *Lab) *NAT { return l.NAT("nat", FullCone()) })
	c, err := dialFrom(t.Context(), x.a, 40000, x.endpoint(x.s, 4000))
	x.must(err)
	defer c.Close()
	for _, end := range []Attachment{x.a, x.nat, x.s} {
		x.lab.Cut(end)
		if got := x.dial(x.a, 0, x.endpoint(x.s, 4001)); got != "silence" {
			t.Errorf("%s cut: %s, want silence", end.Name(), got)
		}
		x.lab.Restore(end)
		if got := x.dial(x.a, 0, x.endpoint(x.s, 4001)); got != "connected" {
			t.Errorf("%s restored: %s, want connected", end.Name(), got)
		}
	}
	if got := exchange(c); got != "ok" {
		t.Errorf("the old connection: %s, want ok", got)
	}
}

func TestTheWayBetweenTwoIsCutAndNoOther(t *testing.T) {
	x := newScene(t, func(l *Lab) *NAT { return l.NAT("nat", FullCone()) })
	third := x.lab.Host("third")
	listener, err := third.Listen("tcp", ":4001")
	x.must(err)
	defer listener.Close()
	toThird := netip.AddrPortFrom(third.Addr(), 4001)
	x.must(x.lab.CutBetween(x.s, x.a)) // a is behind the NAT
	if got := x.dial(x.a, 0, x.endpoint(x.s, 4001)); got != "silence" {
		t.Errorf("cut: %s, want silence", got)
	}
	if got := x.dial(x.a, 0, toThird); got != "connected" {
		t.Errorf("to another host: %s, want connected", got)
	}
	x.must(x.lab.RestoreBetween(x.a, x.s))
	if got := x.dial(x.a, 0, x.endpoint(x.s, 4001)); got != "connected" {
		t.Errorf("restored: %s, want connected", got)
	}
}

func TestANewExternalAddressReplacesTheOldOne(t *testing.T) {
	for _, kind := range []string{"go", "kernel"} {
		t.Run(kind, func(t *testing.T) {
			x := newScene(t, func(l *Lab) *NAT { return dropping(t, l, kind, "nat") })
			c, err := dialFrom(t.Context(), x.a, 40000, x.endpoint(x.s, 4000))
			x.must(err)
			defer c.Close()
			x.must(x.nat.SetAddr("198.51.100.77"))
			if got := exchange(c); got == "ok" {
				t.Error("the connection from the old address still works")
			}
			if got := x.dial(x.a, 41000, x.endpoint(x.s, 4000)); got != "connected" {
				t.Errorf("a new connection: %s", got)
			}
			want := netip.MustParseAddr("198.51.100.77")
			if got := x.external(x.endpoint(x.s, 4000)).Addr(); got != want {
				t.Errorf("it came from %v, want %v", got, want)
			}
			if got := x.nat.Addr(); got != want {
				t.Errorf("Addr is %v, want %v", got, want)
			}
		})
	}
}

func TestAHostMovesToAnotherNAT(t *testing.T) {
	x := newScene(t, func(l *Lab) *NAT { return l.NAT("nat", FullCone()) })
	other := x.lab.NAT("other", FullCone(), Inside("192.168.7.0/24"))
	c, err := dialFrom(t.Context(), x.a, 40000, x.endpoint(x.s, 4000))
	x.must(err)
	defer c.Close()

	x.must(x.a.Move(other, At("192.168.7.20")))
	if got := x.a.Addr().String(); got != "192.168.7.20" {
		t.Errorf("the address is %v", got)
	}
	if got := exchange(c); got == "ok" {
		t.Error("the connection from the old network still works")
	}
	if got := x.dial(x.a, 41000, x.endpoint(x.s, 4000)); got != "connected" {
		t.Errorf("a new connection: %s", got)
	}
	if got, want := x.external(x.endpoint(x.s, 4000)).Addr(), other.Addr(); got != want {
		t.Errorf("it came from %v, want %v", got, want)
	}

	x.must(x.a.Move(x.lab))
	if got := x.dial(x.a, 42000, x.endpoint(x.s, 4000)); got != "connected" {
		t.Errorf("a connection from the internet: %s", got)
	}
	if got, want := x.external(x.endpoint(x.s, 4000)), x.endpoint(x.a, 42000); got != want {
		t.Errorf("it came from %v, want %v", got, want)
	}
}

func TestADelayChangesUnderAConnection(t *testing.T) {
	lab := Test(t, Config{})
	a, b := lab.Host("a"), lab.Host("b")
	l, err := b.Listen("tcp4", ":4000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echo(l)
	c, err := a.Dial(t.Context(), "tcp", netip.AddrPortFrom(b.Addr(), 4000).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, delay := range []time.Duration{40, 1} {
		delay *= time.Millisecond
		settle(t, lab) // what is on its way is not overtaken
		lab.SetLink(b, Link{Delay: delay})
		stopwatch.Within(t, 2*delay+10*time.Millisecond, func() time.Duration {
			start := time.Now()
			if got := exchange(c); got != "ok" {
				t.Fatal(got)
			}
			took := time.Since(start)
			if took < 2*delay {
				t.Errorf("a round trip took %v, want %v", took, 2*delay)
			}
			return took
		})
	}
}

func TestAHostWithoutNetworkHasNobodyToTalkTo(t *testing.T) {
	lab := Test(t, Config{})
	a := lab.Host("a")
	nobody := netip.MustParseAddrPort("203.0.113.99:80")
	if _, err := dialWithin(t, a, nobody, patience); err == nil {
		t.Fatal("connected to nobody")
	}
	flow := flowTo(t, lab, nobody)
	if flow.To != "" || flow.SYNs != 1 || flow.Packets != 0 || flow.Dropped != 1 {
		t.Errorf("counted %+v, want one SYN to nobody", flow)
	}
	if n := lab.SYNs()[a.Addr()][nobody]; n != 1 {
		t.Errorf("SYNs counts %d, want 1", n)
	}
}

func dialWithin(t *testing.T, h *Host, to netip.AddrPort, d time.Duration) (net.Conn, error) {
	t.Helper()
	var c net.Conn
	err := h.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", to.String(), d)
		return err
	})
	return c, err
}
