package reuseport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestCheckProvesThatThePortIsShared(t *testing.T) {
	p := openPort(t, Config{})
	for range 2 { // again: nothing of the first is left in the way
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.Check(ctx); err != nil {
			t.Error(err)
		}
	}
}

// A connection that belongs to Check never reaches the program, and the others do.
func TestCheckLeavesOtherConnectionsToAccept(t *testing.T) {
	p, other := openPort(t, Config{}), openPort(t, Config{})
	dialled := dial(t, other, at(p))
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := remoteAddrPort(accept(t, p)); got != at(other) {
		t.Errorf("accepted a connection from %v, want %v (%v)", got, at(other), dialled.LocalAddr())
	}
}

func TestCheckFailsWhenTheListenerIsGone(t *testing.T) {
	p := openPort(t, Config{})
	_ = p.closeListeners() // stands for a system that lets nothing arrive
	err := p.Check(t.Context())
	if got := Classify(err); got != Refused {
		t.Errorf("got %v (%v), want %v", got, err, Refused)
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	p := openPort(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestRandomPortIsInItsRange(t *testing.T) {
	for range 20 {
		p := openPort(t, Config{})
		if n := p.Number(); n < firstRandomPort || n > lastRandomPort {
			t.Errorf("got port %d, want %d-%d", n, firstRandomPort, lastRandomPort)
		}
	}
}

func TestRandomPortIsTriedUntilOneIsFree(t *testing.T) {
	taken, free := openPort(t, Config{}), openPort(t, Config{})
	_ = free.Close()
	answers := []uint16{taken.Number(), taken.Number(), free.Number()}
	p, err := openRandom(t.Context(), Config{}, func() uint16 {
		n := answers[0]
		answers = answers[1:]
		return n
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Number() != free.Number() {
		t.Errorf("got port %d, want %d", p.Number(), free.Number())
	}

	_, err = openRandom(t.Context(), Config{}, taken.Number)
	if !errors.Is(err, ErrPortInUse) {
		t.Errorf("only taken ports: got %v, want %v", err, ErrPortInUse)
	}
}

func TestOpenRefusesAPortOnWhichSomebodyListens(t *testing.T) {
	for _, foreign := range []struct{ name, network, addr string }{
		{"everywhere", "tcp", ":0"},
		{"IPv4", "tcp4", "0.0.0.0:0"},
		{"one IPv4 address", "tcp4", "127.0.0.1:0"},
		{"IPv6", "tcp6", "[::]:0"},
		{"one IPv6 address", "tcp6", "[::1]:0"},
	} {
		t.Run(foreign.name, func(t *testing.T) {
			if strings.HasPrefix(foreign.addr, "[") {
				haveIPv6(t)
			}
			for _, sharing := range []bool{false, true} { // with the options a Port has
				lc := net.ListenConfig{}
				if sharing {
					lc.Control = controlReuse
				}
				l, err := lc.Listen(t.Context(), foreign.network, foreign.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				n := uint16(l.Addr().(*net.TCPAddr).Port)
				p, err := Open(t.Context(), Config{Port: n})
				if err == nil {
					_ = p.Close()
				}
				if !errors.Is(err, ErrPortInUse) {
					t.Errorf("sharing=%v: got %v, want %v", sharing, err, ErrPortInUse)
				}
			}
		})
	}
}

// A node keeps its port over a restart, while connections of before are in
// TIME_WAIT or still in use.
func TestOpenTakesThePortOfAnEarlierPort(t *testing.T) {
	p := openPort(t, Config{})
	l := listenOn(t, "tcp4", "127.0.0.1:0")
	remote := listenAddrPort(l)

	live := dial(t, p, remote)
	defer live.Close()
	accept(t, l)

	other := listenOn(t, "tcp4", "127.0.0.1:0")
	lingering := dial(t, p, listenAddrPort(other))
	peer := accept(t, other)
	_ = lingering.Close()
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("read %d bytes, want the end", n)
	}
	_ = peer.Close()

	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	again := openPort(t, Config{Port: p.Number()})
	if err := again.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := live.Write([]byte("x")); err != nil {
		t.Errorf("the connection of the closed port: %v", err)
	}
}

func TestSocketsAreCreatedWithin(t *testing.T) {
	errElsewhere := errors.New("no such place")
	calls, fail := 0, false
	p := openPort(t, Config{Within: func(open func() error) error {
		calls++
		if fail {
			return errElsewhere
		}
		return open()
	}})
	if calls != 1 {
		t.Errorf("Open went within %d times, want once", calls)
	}
	l := listenOn(t, "tcp4", "127.0.0.1:0")
	dial(t, p, listenAddrPort(l))
	if calls != 2 {
		t.Errorf("a dial went within %d times, want once", calls-1)
	}
	fail = true
	if _, err := p.Dial(t.Context(), listenAddrPort(l)); !errors.Is(err, errElsewhere) {
		t.Errorf("dial: got %v, want %v", err, errElsewhere)
	}
	if err := p.Check(t.Context()); !errors.Is(err, errElsewhere) {
		t.Errorf("check: got %v, want %v", err, errElsewhere)
	}
	_, err := Open(t.Context(), Config{Within: func(func() error) error { return errElsewhere }})
	if !errors.Is(err, errElsewhere) {
		t.Errorf("open: got %v, want %v", err, errElsewhere)
	}
}

func ExampleOpen() {
	ctx := context.Background()
	port, err := Open(ctx, Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Close()
	fmt.Println(port.Check(ctx))
	// Output: <nil>
}
