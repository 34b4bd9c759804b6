package reuseport

import (
	"io"
	"net"
	"testing"
)

func TestTheKernelCountsWhatASocketSends(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	a, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
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
