package reuseport

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

// oneWay is the delay between the two hosts of these tests.
const oneWay = 50 * time.Millisecond

// A simultaneous open over a distance: the SYNs cross, and both dials are done after
// one round trip.
func TestCrossingSYNsOpenOneConnection(t *testing.T) {
	stopwatch.Within(t, 3*oneWay, func() time.Duration {
		start := time.Now()
		near, far := cross(t, 0)
		took := time.Since(start)
		speak(t, near, far)
		speak(t, far, near)
		return took
	})
}

// cross opens a connection between two distant ports by SYNs that cross, the second one later than the first. They
// do not if the machine stalls meanwhile; then it tries again.
func cross(t *testing.T, later time.Duration) (first, second net.Conn) {
	t.Helper()
	for range stopwatch.Attempts {
		lab, p, q := distant(t)
		ends := make(chan net.Conn, 1)
		go func() {
			<-time.After(later)
			c, _ := q.Dial(t.Context(), p.addr)
			ends <- c
		}()
		first, err := p.Dial(t.Context(), q.addr)
		second := <-ends
		if err == nil && second != nil {
			t.Cleanup(func() {
				first.Close()
				second.Close()
			})
			return first, second
		}
		skew := synAt(lab, p.addr).Sub(synAt(lab, q.addr))
		if skew.Abs() < oneWay {
			t.Fatalf("SYNs %v apart gave %v (%v) and %v", skew, first, err, second)
		}
		t.Logf("SYNs %v apart have not crossed", skew)
	}
	t.Fatal("the machine is too busy to send two SYNs at once")
	return nil, nil
}

// synAt tells when the first SYN to an endpoint was seen; long ago if none was.
func synAt(lab *natlab.Lab, to netip.AddrPort) time.Time {
	for _, f := range lab.Flows() {
		if f.Dst == to && f.SYNs > 0 {
			return f.First
		}
	}
	return time.Time{}
}

// Between the other's SYN and its SYN+ACK a dial has half a connection. Ended then, it must leave its pair of addresses
// and ports free: without the reset the second dial failed as busy in 10 of 10 runs. Here q is cut off but for its SYN,
// so that p stays half-way, however slow the machine is, until the test has seen its SYN+ACK.
func TestDialEndedHalfWayLeavesItsPairFree(t *testing.T) {
	lab, p, q := distant(t)
	packets := make(chan string, 256)
	defer lab.Log(tap(func(packet string) {
		select {
		case packets <- packet:
		default: // nobody waits for that many
		}
	}))()

	lab.Cut(q.host)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := p.Dial(ctx, q.addr)
		ended <- err
	}()
	await(t, packets, "p > q", "[SYN]")
	stop := lab.Log(tap(func(packet string) {
		if is(packet, "q > p", "[SYN]") {
			lab.Cut(q.host) // the SYN has left it
		}
	}))
	defer stop()
	lab.Restore(q.host)
	ends := make(chan net.Conn, 1)
	go func() {
		c, _ := q.Dial(t.Context(), p.addr)
		ends <- c
	}()
	await(t, packets, "p > q", "[SYN+ACK]")
	cancel()
	if err := <-ended; Classify(err) != Canceled {
		t.Fatalf("got %v, want %v", err, Canceled)
	}
	await(t, packets, "p > q", "RST", "FIN")
	stop()
	lab.Restore(q.host)

	again := dial(t, p.Port, q.addr)
	far := <-ends
	if far == nil {
		t.Fatal("the other side's dial failed")
	}
	defer func() { _ = Abort(far) }()
	speak(t, again, far)
	speak(t, far, again)
}

// A tap is told the packets of a lab, one line each.
type tap func(packet string)

func (see tap) Write(line []byte) (int, error) {
	see(string(line))
	return len(line), nil
}

// is reports whether a packet went between ends with one of the flags.
func is(packet, ends string, flags ...string) bool {
	return strings.Contains(packet, ends) &&
		slices.ContainsFunc(flags, func(f string) bool { return strings.Contains(packet, f) })
}

// await returns when a packet was sent that is so.
func await(t *testing.T, packets <-chan string, ends string, flags ...string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case packet := <-packets:
			if is(packet, ends, flags...) {
				return
			}
		case <-timeout:
			t.Fatalf("no packet %s with %v", ends, flags)
		}
	}
}

// A distantPort is a Port on a host of a lab.
type distantPort struct {
	*Port
	addr netip.AddrPort
	host *natlab.Host
}

// distant returns two ports, on hosts of the same names, with oneWay between them.
func distant(t *testing.T) (lab *natlab.Lab, p, q distantPort) {
	t.Helper()
	lab = natlab.Test(t, natlab.Config{})
	open := func(name, addr string) distantPort {
		host := lab.Host(name, natlab.At(addr), natlab.Delay(oneWay/2))
		p := openPort(t, Config{Within: host.Do})
		return distantPort{p, netip.AddrPortFrom(host.Addr(), p.Number()), host}
	}
	return lab, open("p", "203.0.113.10"), open("q", "203.0.113.20")
}
