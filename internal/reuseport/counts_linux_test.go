package reuseport

import (
	"io"
	"net"
	"testing"
)

func TestTheKernelCountsWhatASocketSends(t *testing.T) {
	a, b := loopbackPair(t)
	if _, ok := Counted(a); ok {
		t.Error("counts before anything was sent")
	}
	go a.Write(make([]byte, 1<<20))
	if _, err := io.CopyN(io.Discard, b, 1<<20); err != nil {
		t.Fatal(err)
	}
	counts, ok := Counted(a)
	if !ok || counts.Sent < 16 || counts.RTT <= 0 { // 64 KiB each at most
		t.Errorf("got %+v, %v", counts, ok)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if _, ok := Counted(near); ok {
		t.Error("counts a pipe")
	}
}

// loopbackPair is a connection over loopback.
func loopbackPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if a, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if b, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}
