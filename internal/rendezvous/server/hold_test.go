package server

import (
	"bufio"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// holdPatience is how long a test waits for what must happen.
const holdPatience = 20 * time.Second

// aHoleListener serves hole connections over loopback until the test ends.
func aHoleListener(t *testing.T, s *Server) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.loop.Run(ctx) })
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.holes.enter(addrPort(nc.RemoteAddr()).Addr())
			running.Go(func() { s.serveHole(ctx, nc) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.holds.close()
		cancel()
		running.Wait()
	})
	return l.Addr()
}

// hold opens a hole connection of f that is to be held, and takes the first answer.
func (f *fakeNode) hold(t *testing.T, at net.Addr, seconds uint32) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(holdPatience))
	if err := wire.Write(conn, &wire.HoleHello{Token: f.server.tokens.issue(f.number), Sample: true, HoldS: seconds}); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if err := wire.Read(reader, &wire.Observed{}); err != nil {
		t.Fatal(err)
	}
	return conn, reader
}

func TestAHeldConnectionSpeaksAgainWhenItIsDue(t *testing.T) {
	s := newTestServer(t, Limits{})
	at := aHoleListener(t, s)
	a := join(s, 1, 1)
	began := time.Now() // before the server's second does: the machine may stand still in between
	conn, reader := a.hold(t, at, 1)
	var again wire.Observed
	if err := wire.Read(reader, &again); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("it spoke after %v, want 1 s of silence", took)
	}
	if got, want := again.Endpoint.AddrPort(), addrPort(conn.LocalAddr()); got != want {
		t.Errorf("it said %v, want %v", got, want)
	}
}

func TestHeldConnectionsAreBoundedAndEndWithTheirNode(t *testing.T) {
	s := newTestServer(t, Limits{})
	at := aHoleListener(t, s)
	a := join(s, 1, 1)
	ended := make(chan error, heldPerConn)
	for range heldPerConn {
		_, reader := a.hold(t, at, wire.MaxHold)
		go func() { ended <- wire.Read(reader, &wire.Observed{}) }()
	}
	_, tooMany := a.hold(t, at, wire.MaxHold)
	if err := wire.Read(tooMany, &wire.Observed{}); err == nil {
		t.Errorf("connection %d of a node speaks again at once", heldPerConn+1)
	}
	if n := s.holds.admission.count(); n != heldPerConn {
		t.Errorf("%d are held, want %d", n, heldPerConn)
	}
	s.drop(a.conn, "test")
	for range heldPerConn {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("one that was to be silent for hours has spoken")
			}
		case <-time.After(holdPatience):
			t.Fatal("one outlives its node")
		}
	}
	if n := s.holds.admission.count(); n != 0 {
		t.Errorf("%d are held for a node that is gone", n)
	}
}

func TestAHeldConnectionThatANodeClosesIsForgotten(t *testing.T) {
	s := newTestServer(t, Limits{})
	at := aHoleListener(t, s)
	a := join(s, 1, 1)
	conn, _ := a.hold(t, at, wire.MaxHold)
	conn.Close()
	for deadline := time.Now().Add(holdPatience); s.holds.admission.count() != 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still held")
		}
	}
}
