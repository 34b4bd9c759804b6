package reuseport

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

// A connection whose SYNs crossed 30 ms apart, with 50 ms one way: the earlier side has measured 20 ms where 100 is the truth.
// Seen to fail without DistrustRoundTrip: 8 MiB took 11 s.
func TestAFalseRoundTripDoesNotSlowTheConnection(t *testing.T) {
	const size, skew, most = 8 << 20, 30 * time.Millisecond, 5 * time.Second
	stopwatch.Within(t, most, func() time.Duration {
		early, late := cross(t, skew)
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
		return took
	})
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
