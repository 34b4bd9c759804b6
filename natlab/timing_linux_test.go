package natlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shared lets several sockets have one local port.
func shared(_, _ string, c syscall.RawConn) error {
	var err error
	c.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
	return err
}

// dialFrom connects from a given port of the host.
func dialFrom(ctx context.Context, h *Host, port uint16, to netip.AddrPort) (c net.Conn, err error) {
	err = h.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{Port: int(port)}, Control: shared}
		c, err = d.DialContext(ctx, "tcp4", to.String())
		return err
	})
	return c, err
}

// waitUntil returns when the time has come, much more exactly than package time would.
func waitUntil(when time.Time) error {
	a, err := newAlarm()
	if err != nil {
		return err
	}
	defer a.close()
	if d := time.Until(when); d > 0 {
		a.set(d)
		a.wait()
	}
	return nil
}

// opened is what became of one side of a simultaneous open.
type opened struct {
	at  time.Time
	err error
}

// openSimultaneously lets both sides connect to the other's endpoint from port, b later than a by
// skew.
func openSimultaneously(
	t *testing.T, a, b *Host, toA, toB netip.AddrPort, skew time.Duration,
) (onA, onB opened) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	start := time.Now().Add(20 * time.Millisecond)
	connect := func(h *Host, from, to netip.AddrPort, delay time.Duration) <-chan opened {
		done := make(chan opened, 1)
		go func() {
			if err := waitUntil(start.Add(delay)); err != nil {
				done <- opened{err: err}
				return
			}
			c, err := dialFrom(ctx, h, from.Port(), to)
			done <- opened{time.Now(), err}
			if err == nil {
				context.AfterFunc(t.Context(), func() { c.Close() })
			}
		}()
		return done
	}
	fromA, fromB := connect(a, toA, toB, 0), connect(b, toB, toA, skew)
	return <-fromA, <-fromB
}

// establishedAt is the model of a simultaneous open with NATs that drop, for one-way delay c: when two
// sides are established whose SYNs leave at 0 and at skew. If the second SYN leaves after the first
// has come to its NAT and been dropped, it opens by an ordinary handshake, of which the other side
// sees the end half a round trip later.
func establishedAt(skew, c time.Duration) (a, b time.Duration) {
	switch {
	case skew < -c:
		return 2 * c, 3 * c
	case skew > c:
		return skew + 3*c, skew + 2*c
	}
	return max(c, skew) + c, max(skew+c, 0) + c
}

// On a busy machine anything may come late, so the best of some attempts counts. Nothing may ever
// come early.
func TestSimultaneousOpenTakesAsLongAsTheModelSays(t *testing.T) {
	const attempts, tolerance = 40, 5 * time.Millisecond
	for _, kind := range []string{"go", "kernel"} {
		for _, skew := range []time.Duration{0, 20, 30, 100} {
			skew *= time.Millisecond
			t.Run(fmt.Sprintf("%s/%v", kind, skew), func(t *testing.T) {
				lab := Test(t, Config{})
				natA, natB := dropping(t, lab, kind, "na"), dropping(t, lab, kind, "nb")
				a, b := natA.Host("a"), natB.Host("b")
				if err := lab.SetDelay(a, b, 25*time.Millisecond); err != nil {
					t.Fatal(err)
				}
				for port := uint16(40000); port < 40000+attempts; port++ {
					toA := netip.AddrPortFrom(natA.Addr(), port)
					toB := netip.AddrPortFrom(natB.Addr(), port)
					onA, onB := openSimultaneously(t, a, b, toA, toB, skew)
					if err := errors.Join(onA.err, onB.err); err != nil {
						t.Fatal(err)
					}
					leftA, leftB := synAt(t, lab, toB), synAt(t, lab, toA)
					if (leftB.Sub(leftA) - skew).Abs() >= tolerance-time.Millisecond {
						continue // a stall made it another one, and at 25 ms the model jumps
					}
					if lateness(t, leftB.Sub(leftA), onA.at.Sub(leftA), onB.at.Sub(leftA)) < tolerance {
						return
					}
				}
				t.Errorf("never established within %v of the model", tolerance)
			})
		}
	}
}

// lateness tells by how much two sides at 25 ms were established later than the model says. skew is
// that of the SYNs as they left, not as was asked.
func lateness(t *testing.T, skew, onA, onB time.Duration) time.Duration {
	t.Helper()
	wantA, wantB := establishedAt(skew, 25*time.Millisecond)
	t.Logf("skew %v: established at %v and %v, model %v and %v", skew, onA, onB, wantA, wantB)
	atTheEdge := (skew - 25*time.Millisecond).Abs() < time.Millisecond // it may go either way
	if !atTheEdge && (onA < wantA || onB < wantB) {
		t.Error("established before the model says it can be")
	}
	return max(onA-wantA, onB-wantB)
}

// synAt tells when the first SYN to an endpoint came to the internet.
func synAt(t *testing.T, lab *Lab, to netip.AddrPort) time.Time {
	t.Helper()
	for _, f := range lab.Flows() {
		if f.Network == internet && f.Dst == to && f.SYNs > 0 {
			return f.First
		}
	}
	t.Fatalf("no SYN to %v", to)
	return time.Time{}
}

// dropping makes a NAT whose firewall drops what is unsolicited.
func dropping(t *testing.T, lab *Lab, kind, name string) *NAT {
	t.Helper()
	if kind == "kernel" {
		needNFT(t)
		return lab.KernelNAT(name, Kernel{})
	}
	return lab.NAT(name, Linux())
}

func needNFT(t *testing.T) {
	t.Helper()
	if _, err := findNFT(); err != nil {
		if required() {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}
