package reuseport_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
)

func TestAConnectLeavesFromWhereItIsToldAndSaysWhenItsSYNHasLeft(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	started := 0
	to := l.Addr().(*net.TCPAddr).AddrPort()
	first, err := reuseport.Connect{Local: netip.MustParseAddrPort("127.0.0.3:0"), Remote: to, Started: func() { started++ }}.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer reuseport.Abort(first)
	local := first.LocalAddr().(*net.TCPAddr).AddrPort()
	if local.Addr() != netip.MustParseAddr("127.0.0.3") || local.Port() == 0 {
		t.Errorf("it left from %v, want 127.0.0.3", local)
	}
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	second, err := reuseport.Connect{Local: local, Remote: other.Addr().(*net.TCPAddr).AddrPort(), Started: func() { started++ }}.Dial(ctx)
	if err != nil {
		t.Fatalf("a second connection from the same port: %v", err)
	}
	reuseport.Abort(second)
	if _, err := (reuseport.Connect{Local: local, Remote: netip.MustParseAddrPort("[2001:db8::1]:4000"), Started: func() { started++ }}).Dial(ctx); err == nil {
		t.Error("an IPv4 address reached IPv6")
	}
	if started != 3 {
		t.Errorf("told %d times that a SYN has left or failed, want 3", started)
	}
}

func TestAResetIsNotICMP(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = reuseport.Connect{Remote: closed}.Dial(ctx)
	if reuseport.Classify(err) != reuseport.Refused || reuseport.ByICMP(err) {
		t.Errorf("got %v: %v, by ICMP %v; want refused by a reset", err, reuseport.Classify(err), reuseport.ByICMP(err))
	}
}
