package reuseport

import (
	"io"
	"net"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

func TestTheKernelCountsWhatASocketSends(t *testing.T) {
	a, b := tcptest.Pair(t)
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
