package punch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

var testAttempt = wire.AttemptID{1, 2, 3}

// secured is what the tests' Verify returns: not the connection it was given.
type secured struct{ net.Conn }

var errWrongKey = errors.New("wrong key")

// proveWith is a Verify in three messages, as TLS 1.3 takes: the client may speak after one round trip, the
// server after one and a half.
func proveWith(role Role, key byte) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		stop := context.AfterFunc(ctx, func() { c.Close() })
		defer stop()
		steps := []func(net.Conn, byte) error{say, hear, say}
		if role == Callee {
			steps = []func(net.Conn, byte) error{hear, say, hear}
		}
		for i, step := range steps {
			if err := step(c, key+byte(i)); err != nil {
				return nil, err
			}
		}
		return secured{c}, nil
	}
}

func say(c net.Conn, key byte) error {
	_, err := c.Write([]byte{key})
	return err
}

func hear(c net.Conn, key byte) error {
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if b[0] != key {
		return errWrongKey
	}
	return nil
}

// dialer is a Dial that has one answer for each address, and keeps book.
type dialer struct {
	answers map[netip.AddrPort]func(ctx context.Context) (net.Conn, error)

	mu    sync.Mutex
	calls []call
}

type call struct {
	remote netip.AddrPort
	at     time.Time
}

func (d *dialer) dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	d.mu.Lock()
	d.calls = append(d.calls, call{remote, time.Now()})
	d.mu.Unlock()
	answer := d.answers[remote]
	if answer == nil {
		return silence(ctx)
	}
	return answer(ctx)
}

func (d *dialer) callsTo(remote netip.AddrPort) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(d.calls), func(c call) bool { return c.remote != remote }))
}

// silence is the answer of an address where nothing is.
func silence(ctx context.Context) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// after is the answer conn, err after a while.
func after(d time.Duration, conn net.Conn, err error) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		select {
		case <-time.After(d):
			return conn, err
		case <-ctx.Done():
			if conn != nil {
				conn.Close()
			}
			return nil, ctx.Err()
		}
	}
}

// outcome is what Run returned.
type outcome struct {
	result *Result
	err    error
}

// runAsync starts Run; what it returns comes out of the channel.
func runAsync(ctx context.Context, first Round, p Plan) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		result, err := Run(ctx, first, p)
		out <- outcome{result, err}
	}()
	return out
}

func roundOf(number int, names ...string) Round {
	r := Round{Number: number}
	for _, name := range names {
		r.Remotes = append(r.Remotes, remote(name))
	}
	return r
}

func addr(name string) netip.AddrPort { return remote(name).Addr }

// tryAt is the first try at the remote of that name.
func tryAt(t *testing.T, tries []Try, name string) Try {
	t.Helper()
	for _, try := range tries {
		if try.Remote.Addr == addr(name) {
			return try
		}
	}
	t.Fatalf("no try at %s among %v", name, tries)
	return Try{}
}

// failed is the tries and the cause of an attempt that failed.
func failed(t *testing.T, o outcome) *Error {
	t.Helper()
	var failure *Error
	if !errors.As(o.err, &failure) || o.result != nil {
		t.Fatalf("got result %v, error %v, want an *Error", o.result, o.err)
	}
	return failure
}

// exchange proves that two ends are those of one connection.
func exchange(t *testing.T, a, b net.Conn) {
	t.Helper()
	for _, way := range []struct{ from, to net.Conn }{{a, b}, {b, a}} {
		const message = "through the eye of a needle"
		if _, err := io.WriteString(way.from, message); err != nil {
			t.Fatalf("write: %v", err)
		}
		got := make([]byte, len(message))
		if _, err := io.ReadFull(way.to, got); err != nil || string(got) != message {
			t.Fatalf("read %q, %v, want %q", got, err, message)
		}
	}
}
