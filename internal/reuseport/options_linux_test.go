package reuseport

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// options are what a socket of the table below has set before it is bound.
type options string

const (
	none options = "no option"
	ra   options = "RA" // SO_REUSEADDR
	rp   options = "RP" // SO_REUSEPORT
	both options = "RA+RP"
)

// A role is how far a socket of the table gets.
type role string

const (
	bound     role = "bind"
	listening role = "listen"
	opened    role = "listener that adds RP afterwards" // as this package opens its own
	connected role = "connect"                          // each to a peer of its own
	same      role = "connect to the same peer"
	timeWait  role = "TIME_WAIT" // connected, then closed first
)

type socket struct {
	role    role
	options options
}

func (s socket) String() string { return string(s.role) + " " + string(s.options) }

// TestKernelAllowsTheseSocketsOnOnePort is the table that the design stands on: which
// sockets Linux puts next to each other on one port. Run it with -v to read what
// this kernel says.
func TestKernelAllowsTheseSocketsOnOnePort(t *testing.T) {
	const ok = syscall.Errno(0)
	rows := []struct {
		existing []socket
		next     socket
		want     syscall.Errno
	}{
		{[]socket{{listening, ra}}, socket{bound, ra}, unix.EADDRINUSE},
		{[]socket{{listening, rp}}, socket{bound, rp}, ok},
		{[]socket{{listening, both}}, socket{bound, both}, ok},
		{[]socket{{listening, rp}}, socket{bound, ra}, unix.EADDRINUSE},
		{[]socket{{listening, ra}}, socket{bound, rp}, unix.EADDRINUSE},
		{[]socket{{bound, ra}}, socket{bound, ra}, ok},
		{[]socket{{bound, ra}, {bound, ra}}, socket{listening, ra}, ok},
		{[]socket{{bound, ra}, {bound, ra}, {listening, ra}}, socket{bound, ra}, unix.EADDRINUSE},
		{[]socket{{connected, none}}, socket{bound, ra}, unix.EADDRINUSE},
		{[]socket{{connected, none}}, socket{bound, none}, unix.EADDRINUSE},
		{[]socket{{connected, none}}, socket{bound, both}, unix.EADDRINUSE},
		{[]socket{{connected, rp}}, socket{bound, ra}, unix.EADDRINUSE},
		{[]socket{{connected, ra}}, socket{connected, ra}, ok},
		{[]socket{{connected, rp}}, socket{connected, rp}, ok},
		{[]socket{{connected, both}}, socket{connected, both}, ok},
		{[]socket{{connected, both}}, socket{same, both}, unix.EADDRNOTAVAIL},
		{[]socket{{listening, rp}}, socket{listening, rp}, ok},
		{[]socket{{listening, both}}, socket{listening, both}, ok}, // the reason for exclusive listening

		// What Open relies on: its first step is "listen RA".
		{[]socket{{listening, both}}, socket{listening, ra}, unix.EADDRINUSE},
		{[]socket{{opened, ra}}, socket{listening, ra}, unix.EADDRINUSE},
		{[]socket{{opened, ra}}, socket{bound, both}, ok},
		{[]socket{{opened, ra}, {connected, both}, {connected, both}}, socket{connected, both}, ok},
		{[]socket{{connected, both}}, socket{listening, ra}, ok}, // of an earlier Port
		{[]socket{{timeWait, both}}, socket{listening, ra}, ok},
		{[]socket{{timeWait, both}}, socket{listening, none}, unix.EADDRINUSE}, // why the probe is not plain
		{[]socket{{timeWait, both}}, socket{connected, both}, ok},
	}
	for _, row := range rows {
		b := newBench(t)
		for _, s := range row.existing {
			if err := b.add(s); err != nil {
				t.Fatalf("%v: existing %v: %v", row.existing, s, err)
			}
		}
		err := b.add(row.next)
		got := ok
		if err != nil && !errors.As(err, &got) {
			t.Fatal(err)
		}
		said := "ok"
		if got != ok {
			said = unix.ErrnoName(got)
		}
		t.Logf("%-60s then %-34s %s", fmt.Sprint(row.existing), row.next.String(), said)
		if got != row.want {
			t.Errorf("%v then %v: got %v, want %v", row.existing, row.next, got, row.want)
		}
	}
}

// A bench is one port and the sockets put on it, which are closed with the test.
type bench struct {
	t    *testing.T
	port int
	last *unix.SockaddrInet4 // peer of the socket connected last
}

func newBench(t *testing.T) *bench {
	fd := newSocket(t)
	check(t, unix.Bind(fd, loopback(0)))
	port := localPort(t, fd)
	check(t, unix.Close(fd))
	return &bench{t: t, port: port}
}

// add puts s on the port and returns the error of the call that fails.
func (b *bench) add(s socket) error {
	fd := newSocket(b.t)
	if s.role != timeWait {
		b.t.Cleanup(func() { _ = unix.Close(fd) })
	}
	setOptions(b.t, fd, s.options)
	if err := unix.Bind(fd, loopback(b.port)); err != nil {
		return err
	}
	switch s.role {
	case listening:
		return unix.Listen(fd, 1)
	case opened:
		defer setOptions(b.t, fd, rp)
		return unix.Listen(fd, 1)
	case same:
		return unix.Connect(fd, b.last)
	case connected, timeWait:
		peer := newSocket(b.t)
		b.t.Cleanup(func() { _ = unix.Close(peer) })
		check(b.t, unix.Bind(peer, loopback(0)))
		check(b.t, unix.Listen(peer, 1))
		b.last = loopback(localPort(b.t, peer))
		if err := unix.Connect(fd, b.last); err != nil || s.role == connected {
			return err
		}
		return b.closeFirst(fd, peer)
	}
	return nil
}

// closeFirst ends fd in order, and then the other end, so that fd is in TIME_WAIT.
func (b *bench) closeFirst(fd, peer int) error {
	other, _, err := unix.Accept(peer)
	check(b.t, err)
	check(b.t, unix.Close(fd))
	n, err := unix.Read(other, make([]byte, 1)) // until the FIN is there
	check(b.t, err)
	if n != 0 {
		b.t.Fatalf("read %d bytes, want the end", n)
	}
	return unix.Close(other)
}

func newSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	return fd
}

func setOptions(t *testing.T, fd int, o options) {
	t.Helper()
	if o == ra || o == both {
		check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	}
	if o == rp || o == both {
		check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	}
}

func loopback(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

func localPort(t *testing.T, fd int) int {
	t.Helper()
	a, err := unix.Getsockname(fd)
	check(t, err)
	return a.(*unix.SockaddrInet4).Port
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
