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
	after time.Duration // since the first SYN
	err   error
}

// openSimultaneously lets both sides connect to the other's endpoint from port, b later than a by
// skew.
func openSimultaneously(
	t *testing.T, a, b *Host, toA, toB netip.AddrPort, skew time.Duration,
) (onA, onB opened) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
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
			done <- opened{time.Since(start), err}
			if err == nil {
				context.AfterFunc(t.Context(), func() { c.Close() })
			}
		}()
		return done
	}
	fromA, fromB := connect(a, toA, toB, 0), connect(b, toB, toA, skew)
	return <-fromA, <-fromB
}

// The model of a simultaneous open with silently dropping NATs, for one-way delay c: with SYNs that
// leave at 0 and at skew, the sides are established at max(0+c, skew)+c and max(skew+c, 0)+c if the
// SYNs cross. If the second leaves after the first has been dropped, it opens by an ordinary
// handshake.
func establishedAt(skew, c time.Duration) (a, b time.Duration) {
	if skew > c {
		return skew + 3*c, skew + 2*c
	}
	return max(c, skew) + c, skew + 2*c
}

func TestSimultaneousOpenTakesAsLongAsTheModelSays(t *testing.T) {
	const c = 25 * time.Millisecond
	for _, kind := range []string{"go", "kernel"} {
		for i, skew := range []time.Duration{0, 20, 30, 100} {
			skew *= time.Millisecond
			t.Run(fmt.Sprintf("%s/%v", kind, skew), func(t *testing.T) {
				lab := Test(t, Config{})
				natA, natB := dropping(t, lab, kind, "na"), dropping(t, lab, kind, "nb")
				a, b := natA.Host("a"), natB.Host("b")
				if err := lab.SetDelay(a, b, c); err != nil {
					t.Fatal(err)
				}
				port := uint16(40000 + i)
				toA := netip.AddrPortFrom(natA.Addr(), port)
				toB := netip.AddrPortFrom(natB.Addr(), port)
				onA, onB := openSimultaneously(t, a, b, toA, toB, skew)
				wantA, wantB := establishedAt(skew, c)
				t.Logf("established at %v and %v, model %v and %v", onA.after, onB.after, wantA, wantB)
				for _, side := range []struct {
					got  opened
					want time.Duration
				}{{onA, wantA}, {onB, wantB}} {
					if side.got.err != nil {
						t.Error(side.got.err)
					} else if late := side.got.after - side.want; late < 0 || late > tolerance {
						t.Errorf("established %v after the model, want 0 to %v", late, tolerance)
					}
				}
			})
		}
	}
}

// tolerance is generous, because the tests of other packages run on the same cores.
const tolerance = 20 * time.Millisecond

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
