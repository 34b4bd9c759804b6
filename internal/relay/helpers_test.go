package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	dialer = wire.Role_ROLE_DIALER
	callee = wire.Role_ROLE_CALLEE
)

// patience is how long a test over sockets waits for what must happen.
const patience = 20 * time.Second

// short is a limit that a test runs into, and that leaves a busy machine the time for what comes before.
const short = 2 * time.Second

// A word is what the server said of an end.
type word struct {
	owner   relay.Owner
	attempt wire.AttemptID
	status  wire.RelayStatus
}

// A site is a relay on its own port.
type site struct {
	*relay.Server
	addr  string
	words chan word
	stop  func()
}

// start runs a relay until the test ends. It gives each connection the first byte as the main port does.
func start(t testing.TB, limits relay.Limits) *site {
	t.Helper()
	s := &site{words: make(chan word, 1000)}
	s.Server = relay.NewServer(relay.Config{Limits: limits, Over: func(o relay.Owner, a wire.AttemptID, status wire.RelayStatus) {
		s.words <- word{o, a, status}
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				var first [1]byte
				if _, err := io.ReadFull(conn, first[:]); err == nil {
					s.Take(conn, first[:])
				}
			}()
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { s.Serve(ctx); close(served) }()
	s.stop = func() {
		cancel()
		select {
		case <-served:
		case <-time.After(patience):
			t.Error("Serve did not return")
		}
	}
	t.Cleanup(func() { l.Close(); s.stop() })
	return s
}

// ticket is one of two: dialer and callee are nodes 1 and 2 of room 9.
func ticket(attempt byte, role wire.Role) relay.Ticket {
	return relay.Ticket{Attempt: wire.AttemptID{attempt}, Role: role, Owner: relay.Owner{Node: uint64(role), Room: 9, Connection: uint64(role)}}
}

// enter comes to the relay with a token for k.
func (s *site) enter(t testing.TB, k relay.Ticket) *relay.Conn {
	t.Helper()
	return s.say(t, wire.RelayHello{Attempt: k.Attempt, Token: s.Token(k)}, nil)
}

func (s *site) say(t testing.TB, hello wire.RelayHello, over <-chan wire.RelayStatus) *relay.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := relay.Enter(conn, hello, over)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// pair is two joined connections.
func (s *site) pair(t testing.TB, attempt byte) (a, b *relay.Conn) {
	t.Helper()
	a, b = s.enter(t, ticket(attempt, dialer)), s.enter(t, ticket(attempt, callee))
	for from, to := range map[*relay.Conn]*relay.Conn{a: b, b: a} {
		if _, err := from.Write([]byte("hi")); err != nil {
			t.Fatal(err)
		}
		var got [2]byte
		if _, err := io.ReadFull(to, got[:]); err != nil || string(got[:]) != "hi" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	return a, b
}

// wantStatus reads from c until its end, which must be for the reason.
func wantStatus(t testing.TB, c *relay.Conn, want wire.RelayStatus) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, c)
	var status *relay.StatusError
	if !errors.As(err, &status) || status.Status != want || !errors.Is(err, relay.ErrEnded) {
		t.Errorf("the end: %v, want %v", err, want)
	}
}

// wantWords expects the server to tell both sides the reason.
func (s *site) wantWords(t testing.TB, attempt byte, want wire.RelayStatus) {
	t.Helper()
	told := map[uint64]bool{}
	for range 2 {
		select {
		case w := <-s.words:
			if w.attempt != (wire.AttemptID{attempt}) || w.status != want {
				t.Errorf("told %v of attempt %x, want %v of %x", w.status, w.attempt[:1], want, attempt)
			}
			told[w.owner.Connection] = true
		case <-time.After(patience):
			t.Fatal("nobody was told")
		}
	}
	if !told[1] || !told[2] {
		t.Errorf("told %v, want both sides", told)
	}
}

// eventually waits until condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !condition(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
