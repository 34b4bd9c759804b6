package reuseport

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

// patience bounds what should take milliseconds; only a failing test waits for it.
const patience = 10 * time.Second

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// openPort returns a Port that the test's end closes.
func openPort(t testing.TB, c Config) *Port {
	t.Helper()
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// listenOn returns an ordinary listener that the test's end closes.
func listenOn(t testing.TB, network, addr string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// dial dials and makes the test's end close the connection.
func dial(t testing.TB, p *Port, remote netip.AddrPort) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := p.Dial(ctx, remote)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Abort(c) })
	return c
}

// accept accepts and makes the test's end close the connection.
func accept(t testing.TB, l interface{ Accept() (net.Conn, error) }) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Abort(c) })
	return c
}

// at returns the address of p on this machine.
func at(p *Port) netip.AddrPort { return netip.AddrPortFrom(localhost, p.Number()) }

// haveIPv6 skips the test where there is no IPv6 loopback address.
func haveIPv6(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	_ = l.Close()
}
