package reuseport

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A connection whose SYNs crossed 30 ms apart, with 50 ms one way: the earlier side has measured 20 ms where 100 is the truth.
// Seen to fail without DistrustRoundTrip: 8 MiB took 11 s.
func TestAFalseRoundTripDoesNotSlowTheConnection(t *testing.T) {
	const size, skew, most = 8 << 20, 30 * time.Millisecond, 5 * time.Second
	_, p, q := distant(t)
	ends := make(chan net.Conn, 1)
	go func() {
		<-time.After(skew)
		c, _ := q.Dial(t.Context(), p.addr)
		ends <- c
	}()
	early, err := p.Dial(t.Context(), q.addr)
	late := <-ends
	if err != nil || late == nil {
		t.Fatalf("dials gave %v (%v) and %v", early, err, late)
	}
	defer early.Close()
	defer late.Close()
	if err := setAlgorithm(early, "bbr"); err != nil {
		t.Logf("bbr is not to be had here (%v): the system's default must do as well", err)
	}
	changed, err := DistrustRoundTrip(early, 2*oneWay)
	if err != nil {
		t.Error(err)
	}
	start := time.Now()
	go early.Write(make([]byte, size))
	if n, err := io.CopyN(io.Discard, late, size); err != nil {
		t.Fatalf("%d bytes, then %v", n, err)
	}
	took := time.Since(start)
	t.Logf("changed to %q; %d MiB took %v", changed, size>>20, took)
	if took > most {
		t.Errorf("took %v, want at most %v", took, most)
	}
}

func setAlgorithm(c net.Conn, name string) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	return setOption(raw, func(fd uintptr) error {
		return unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	})
}
