package reuseport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

func TestEveryDialLeavesFromThePort(t *testing.T) {
	p := openPort(t, Config{})
	for _, addr := range []string{"127.0.0.1:0", "127.0.0.1:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			if addr[0] == '[' {
				haveIPv6(t)
			}
			l := listenOn(t, "tcp", addr)
			c := dial(t, p, listenAddrPort(l))
			if got := remoteAddrPort(accept(t, l)).Port(); got != p.Number() {
				t.Errorf("arrived from port %d, want %d", got, p.Number())
			}
			if got := c.LocalAddr().(*net.TCPAddr).Port; got != int(p.Number()) {
				t.Errorf("LocalAddr has port %d, want %d", got, p.Number())
			}
			if got := remoteAddrPort(c); got != listenAddrPort(l) {
				t.Errorf("RemoteAddr is %v, want %v", got, listenAddrPort(l))
			}
		})
	}
}

func TestDialTakesAnIPv4AddressInIPv6Form(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	mapped := netip.AddrPortFrom(netip.AddrFrom16(localhost.As16()), q.Number())
	dial(t, p, mapped)
	if got := remoteAddrPort(accept(t, q)); got != at(p) {
		t.Errorf("arrived from %v, want %v", got, at(p))
	}
}

// Between ports that both listen, one SYN may arrive before the other leaves; then
// the later dial finds its addresses and ports busy, by the very connection it wanted.
// Or the SYNs cross. Either way there is one connection, and it works both ways.
func TestTwoPortsThatDialEachOtherShareOneConnection(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	crossed := 0
	for range 300 {
		var dialled [2]net.Conn
		var errs [2]error
		var work sync.WaitGroup
		work.Go(func() { dialled[0], errs[0] = p.Dial(t.Context(), at(q)) })
		work.Go(func() { dialled[1], errs[1] = q.Dial(t.Context(), at(p)) })
		work.Wait()

		ends := dialled
		for i, port := range []*Port{p, q} {
			if errs[i] == nil {
				continue
			}
			if Classify(errs[i]) != TupleBusy {
				t.Fatalf("dial of %d: %v", i, errs[i])
			}
			ends[i] = accept(t, port)
		}
		if errs[0] == nil && errs[1] == nil {
			crossed++
		}
		speak(t, ends[0], ends[1])
		speak(t, ends[1], ends[0])
		_ = Abort(ends[0])
		_, _ = io.Copy(io.Discard, ends[1]) // until the reset is there
		_ = Abort(ends[1])
	}
	t.Logf("300 connections, %d by SYNs that crossed", crossed)
}

// A port that dials itself is the one simultaneous open that loopback gives for sure:
// the socket's own SYN comes back to it.
func TestSimultaneousOpen(t *testing.T) {
	p := openPort(t, Config{})
	_ = p.closeListeners() // they would get the SYN of a socket that is not in SYN_SENT yet
	c := dial(t, p, at(p))
	speak(t, c, c)
}

func TestDialErrorsTellWhatHappened(t *testing.T) {
	p := openPort(t, Config{})
	live := listenOn(t, "tcp4", "127.0.0.1:0")
	dial(t, p, listenAddrPort(live))
	gone := listenOn(t, "tcp4", "127.0.0.1:0")
	_ = gone.Close()

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	past, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()

	for _, row := range []struct {
		name   string
		ctx    context.Context
		remote netip.AddrPort
		want   Failure
	}{
		{"nobody listens", t.Context(), listenAddrPort(gone), Refused},
		{"same addresses and ports again", t.Context(), listenAddrPort(live), TupleBusy},
		{"multicast", t.Context(), netip.MustParseAddrPort("224.0.0.1:5000"), Unreachable},
		{"canceled before", canceled, listenAddrPort(gone), Canceled},
		{"too late before", past, listenAddrPort(gone), TimedOut},
		{"no address", t.Context(), netip.AddrPort{}, Other},
		{"no port", t.Context(), netip.AddrPortFrom(localhost, 0), Other},
		{"zone", t.Context(), netip.MustParseAddrPort("[fe80::1%lo]:5000"), Other},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := p.Dial(row.ctx, row.remote)
			if err == nil {
				_ = c.Close()
				t.Fatal("connected")
			}
			if c != nil {
				t.Error("got a connection with the error")
			}
			if got := Classify(err); got != row.want {
				t.Errorf("got %v, want %v (%v)", got, row.want, err)
			}
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != "dial" {
				t.Errorf("got a %T, want *net.OpError of a dial (%v)", err, err)
			}
			if got := op.Timeout(); got != (row.want == TimedOut) {
				t.Errorf("Timeout() = %v (%v)", got, err)
			}
		})
	}
}

// The errors of package net itself, not ours: the code of others may be asked about too.
func TestClassifySeesThroughTheErrorsOfPackageNet(t *testing.T) {
	gone := listenOn(t, "tcp4", "127.0.0.1:0")
	_ = gone.Close()
	_, refused := net.Dial("tcp4", gone.Addr().String())
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	_, timedOut := new(net.Dialer).DialContext(late, "tcp4", gone.Addr().String())
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	_, canceled := new(net.Dialer).DialContext(stopped, "tcp4", gone.Addr().String())
	_, closed := gone.Accept()
	_, inUse := net.Listen("tcp4", listenOn(t, "tcp4", "127.0.0.1:0").Addr().String())
	near, _ := net.Pipe()
	_ = near.SetDeadline(time.Unix(1, 0))
	_, deadline := near.Read(nil)

	for _, row := range []struct {
		err  error
		want Failure
	}{
		{nil, None}, {refused, Refused}, {timedOut, TimedOut}, {canceled, Canceled},
		{closed, Canceled}, {inUse, TupleBusy}, {deadline, TimedOut}, {io.EOF, Other},
		{errors.Join(io.EOF, refused), Refused},
	} {
		if got := Classify(row.err); got != row.want {
			t.Errorf("%v: got %v, want %v", row.err, got, row.want)
		}
	}
}

func TestEveryFailureHasAName(t *testing.T) {
	seen := map[string]bool{}
	for f := None; f <= Other; f++ {
		if seen[f.String()] {
			t.Errorf("two failures are called %q", f)
		}
		seen[f.String()] = true
	}
}

// speak sends a byte from one end and reads it at the other.
func speak(t *testing.T, from, to net.Conn) {
	t.Helper()
	sent, got := []byte{'a'}, []byte{0}
	if _, err := from.Write(sent); err != nil {
		t.Fatal(err)
	}
	_ = to.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(to, got); err != nil || got[0] != sent[0] {
		t.Fatalf("read %q, %v, want %q", got, err, sent)
	}
}

func BenchmarkDial(b *testing.B) {
	p, q := openPort(b, Config{}), openPort(b, Config{})
	for b.Loop() {
		c, err := p.Dial(b.Context(), at(q))
		if err != nil {
			b.Fatal(err)
		}
		a, err := q.Accept()
		if err != nil {
			b.Fatal(err)
		}
		_ = Abort(a)
		_ = Abort(c)
	}
}
