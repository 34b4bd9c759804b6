package reuseport

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

// oneWay is the delay between the two hosts of these tests.
const oneWay = 50 * time.Millisecond

// A simultaneous open over a distance: the SYNs cross, and both dials are done after
// one round trip.
func TestCrossingSYNsOpenOneConnection(t *testing.T) {
	p, q := distant(t)
	start := time.Now()
	ends := make(chan net.Conn, 1)
	go func() {
		c, _ := q.Dial(t.Context(), p.addr)
		ends <- c
	}()
	near, err := p.Dial(t.Context(), q.addr)
	took := time.Since(start)
	far := <-ends
	if err != nil || far == nil {
		t.Fatalf("dials gave %v (%v) and %v", near, err, far)
	}
	speak(t, near, far)
	speak(t, far, near)
	if most := 3 * oneWay; took >= most {
		t.Errorf("took %v, want a round trip of %v and less than %v", took, 2*oneWay, most)
	}
}

// Between the other's SYN (at 50 ms) and its SYN+ACK (at 100 ms) a dial has half a
// connection. Ended then, it must leave its pair of addresses and ports free: without
// the reset the second dial failed as busy in 10 of 10 runs.
func TestDialEndedHalfWayLeavesItsPairFree(t *testing.T) {
	p, q := distant(t)
	ends := make(chan net.Conn, 1)
	go func() {
		c, _ := q.Dial(t.Context(), p.addr)
		ends <- c
	}()
	ctx, cancel := context.WithTimeout(t.Context(), oneWay+oneWay/2)
	defer cancel()
	if _, err := p.Dial(ctx, q.addr); Classify(err) != TimedOut {
		t.Fatalf("got %v, want %v", err, TimedOut)
	}
	again := dial(t, p.Port, q.addr)
	if far := <-ends; far == nil {
		t.Error("the other side saw no connection, so the dial was not half-way")
	} else {
		_ = Abort(far)
	}
	speak(t, again, accept(t, q))
}

// A distantPort is a Port on a host of a lab.
type distantPort struct {
	*Port
	addr netip.AddrPort
}

// distant returns two ports with oneWay between them.
func distant(t *testing.T) (p, q distantPort) {
	t.Helper()
	lab := natlab.Test(t, natlab.Config{})
	open := func(name, addr string) distantPort {
		host := lab.Host(name, natlab.At(addr), natlab.Delay(oneWay/2))
		p := openPort(t, Config{Within: host.Do})
		return distantPort{p, netip.AddrPortFrom(host.Addr(), p.Number())}
	}
	return open("p", "203.0.113.10"), open("q", "203.0.113.20")
}
