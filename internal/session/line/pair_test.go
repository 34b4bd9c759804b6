package line

import (
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// leakless fails the test if goroutines of a line are left at its end. It must be called first.
func leakless(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		deadline := time.After(10 * time.Second)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			stacks := make([]byte, 1<<20)
			text := string(stacks[:runtime.Stack(stacks, true)])
			if !strings.Contains(text, "line.(*carrier)") {
				return
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Errorf("goroutines are left:\n%s", text)
				return
			}
		}
	})
}

// tcpPair is the two ends of a connection over loopback.
func tcpPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	a, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func pipePair(testing.TB) (net.Conn, net.Conn) { return net.Pipe() }

// A pair is the two ends of a line, and the way to give them carriers.
type pair struct {
	t    testing.TB
	a, b *Line
	dial func(testing.TB) (net.Conn, net.Conn)
}

// newPair makes a line with one carrier.
func newPair(t testing.TB, config Config, dial func(testing.TB) (net.Conn, net.Conn)) *pair {
	t.Helper()
	p := &pair{t: t, a: New(config), dial: dial}
	t.Cleanup(p.close)
	near, far := dial(t)
	taken := make(chan error, 1)
	go func() {
		request, err := Receive(context.Background(), far)
		if err == nil {
			p.b, err = request.Begin(config)
		}
		if err == nil {
			err = p.b.Take(context.Background(), request, Carrier{})
		}
		taken <- err
	}()
	if err := p.a.Attach(context.Background(), Carrier{Conn: near}); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	return p
}

// attach gives both ends a further carrier; first is the end that speaks first.
func (p *pair) attach(first, second *Line, rank uint8) error {
	near, far := p.dial(p.t)
	return join(first, second, near, far, rank)
}

func join(first, second *Line, near, far net.Conn, rank uint8) error {
	return joinAs(first, second, near, far, Carrier{Rank: rank, Label: rank})
}

// joinAs gives both ends a carrier as the first speaker describes it.
func joinAs(first, second *Line, near, far net.Conn, as Carrier) error {
	taken := make(chan error, 1)
	go func() {
		request, err := Receive(context.Background(), far)
		if err == nil {
			err = second.Take(context.Background(), request, Carrier{Label: as.Label})
		}
		taken <- err
	}()
	as.Conn = near
	err := first.Attach(context.Background(), as)
	if second := <-taken; err == nil {
		err = second
	}
	return err
}

func (p *pair) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.a.Close()
	}()
	if p.b != nil {
		p.b.Close()
	}
	<-done
}

// kill ends the carrier in use at one end, as a reset does.
func kill(l *Line) bool {
	c, ok := l.Carrier()
	if ok {
		if tcp, isTCP := c.Conn.(*net.TCPConn); isTCP {
			tcp.SetLinger(0)
		}
		c.Conn.Close()
	}
	return ok
}

// await waits until a line is as it should be.
func await(t testing.TB, l *Line, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !is() {
		select {
		case <-l.Changed():
		case <-time.After(2 * time.Millisecond): // not all that is waited for is announced
		case <-deadline:
			t.Fatalf("never %s", what)
		}
	}
}
