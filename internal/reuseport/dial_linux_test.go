package reuseport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// silent returns an address that answers nothing: its listener's queue is full, so
// that Linux drops further SYNs.
func silent(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { _ = unix.Close(fd) })
		err = errors.Join(unix.Bind(fd, loopback(0)), unix.Listen(fd, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(localhost, uint16(name.(*unix.SockaddrInet4).Port))
	filler, err := net.Dial("tcp4", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = filler.Close() })
	return addr
}

func TestDialInSilenceEndsWithItsContext(t *testing.T) {
	p, remote := openPort(t, Config{}), silent(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Dial(ctx, remote)
	if ne, ok := errors.AsType[net.Error](err); Classify(err) != TimedOut || !ok || !ne.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := p.Dial(ctx, remote); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// The wait for a peer must not hold up others that go to the same namespace.
func TestDialInSilenceWaitsOutside(t *testing.T) {
	left := make(chan struct{}, 1)
	opened := false
	p := openPort(t, Config{Within: func(open func() error) error {
		err := open()
		if opened {
			left <- struct{}{}
		}
		opened = true
		return err
	}})
	remote, result := silent(t), make(chan error)
	go func() {
		_, err := p.Dial(t.Context(), remote)
		result <- err
	}()
	<-left
	if err := p.Close(); err != nil { // also: Close ends dials and waits for them
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, net.ErrClosed) || Classify(err) != Canceled {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
}

func TestConnectionsHaveTheirOptions(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	for _, c := range []net.Conn{dial(t, p, at(q)), accept(t, q)} {
		for option, want := range map[int]int{
			unix.TCP_NODELAY:   1,
			unix.TCP_KEEPIDLE:  15,
			unix.TCP_KEEPINTVL: 15,
		} {
			if got := tcpOption(t, c, option); got != want {
				t.Errorf("%v: TCP option %d is %d, want %d", c.LocalAddr(), option, got, want)
			}
		}
	}
}

func TestSetUserTimeoutReachesTheKernel(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	c := dial(t, p, at(q))
	layered := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // it looks below this
	if err := SetUserTimeout(layered, 20*time.Second+time.Microsecond); err != nil {
		t.Fatal(err)
	}
	if got := tcpOption(t, c, unix.TCP_USER_TIMEOUT); got != 20001 {
		t.Errorf("got %d ms, want 20001", got)
	}
	near, _ := net.Pipe()
	if err := SetUserTimeout(near, time.Second); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a pipe: got %v, want %v", err, errors.ErrUnsupported)
	}
}

func tcpOption(t *testing.T, c net.Conn, option int) int {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var value int
	var failed error
	err = raw.Control(func(fd uintptr) { value, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option) })
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return value
}

// Seen to fail: each busy dial left its descriptor open, one for every attempt in which the peer was faster.
func TestABusyDialLeavesNoDescriptor(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	remote := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), q.Number())
	first := dial(t, p, remote)
	defer first.Close()
	before := descriptors(t)
	for range 50 {
		if _, err := p.Dial(t.Context(), remote); Classify(err) != TupleBusy {
			t.Fatalf("second dial of a pair: %v, want %v", err, TupleBusy)
		}
	}
	if after := descriptors(t); after > before+10 { // others may come and go
		t.Errorf("%d descriptors before, %d after 50 busy dials", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
