package server

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

func TestObserversAreWhereHoleListenersAreReached(t *testing.T) {
	at := netip.MustParseAddrPort
	got, err := observers([]netip.AddrPort{at("203.0.113.10:8000"), at("203.0.113.10:8001"), at("[2001:db8::10]:8000")}, nil)
	if want := []netip.AddrPort{at("203.0.113.10:8000"), at("[2001:db8::10]:8000")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("of listeners on addresses: got %v, %v; want %v", got, err, want)
	}
	got, err = observers([]netip.AddrPort{at("[::]:8000")}, []string{"198.51.100.7:4000", "server.example:4000"})
	if err != nil || !slices.Contains(got, at("198.51.100.7:8000")) || len(got) > observersMax {
		t.Errorf("of the wildcard: got %v, %v; want 198.51.100.7:8000 among at most %d", got, err, observersMax)
	}
}

func TestTheClosedPortStaysClosed(t *testing.T) {
	port, kept, err := keepClosed()
	if runtime.GOOS == "windows" {
		t.Skip("there is none")
	}
	if err != nil || port == 0 {
		t.Fatalf("got port %d, %v", port, err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	if conn, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a connection there: %v, %v; want it refused", conn, err)
	}
	if l, err := net.Listen("tcp", addr); err == nil {
		l.Close()
		t.Error("somebody else can listen there")
	}
	kept.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Errorf("not even once it is given back: %v", err)
	} else {
		l.Close()
	}
}
