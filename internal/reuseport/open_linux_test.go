package reuseport

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Two processes of one user that start at once must not end up with half of each
// other's connections.
func TestOneOfManyOpensGetsThePort(t *testing.T) {
	p := openPort(t, Config{})
	n := p.Number()
	_ = p.Close()
	for range 50 {
		var winners atomic.Int32
		var work sync.WaitGroup
		opened := make(chan *Port, 8)
		for range cap(opened) {
			work.Go(func() {
				p, err := Open(t.Context(), Config{Port: n})
				if err == nil {
					winners.Add(1)
					opened <- p
				} else if !errors.Is(err, ErrPortInUse) {
					t.Error(err)
				}
			})
		}
		work.Wait()
		close(opened)
		for p := range opened {
			_ = p.Close()
		}
		if got := winners.Load(); got != 1 {
			t.Fatalf("%d of %d got the port, want one", got, cap(opened))
		}
	}
}

// Containers often have IPv6 switched off. The kernel then says of every IPv6 address
// what it says of a busy 4-tuple.
func TestPortWhereIPv6IsOff(t *testing.T) {
	within := namespace(t)
	off := func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0)
	}
	if err := within(off); err != nil {
		t.Skip("cannot switch IPv6 off here: ", err)
	}
	p := openPort(t, Config{Within: within})
	_, err := p.Dial(t.Context(), netip.MustParseAddrPort("[2001:db8::1]:5000"))
	if got := Classify(err); got != Unreachable {
		t.Errorf("IPv6: got %v (%v), want %v", got, err, Unreachable)
	}
	if !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("got %v, want it to keep the kernel's %v", err, unix.EADDRNOTAVAIL)
	}
	_, err = p.Dial(t.Context(), netip.MustParseAddrPort("192.0.2.1:5000"))
	if got := Classify(err); got != Unreachable {
		t.Errorf("IPv4 without a network: got %v (%v), want %v", got, err, Unreachable)
	}
}

// namespace returns a function that runs others in an empty network namespace, one
// at a time on one thread.
func namespace(t *testing.T) func(func() error) error {
	t.Helper()
	work, results := make(chan func() error), make(chan error)
	t.Cleanup(func() { close(work) })
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		results <- unix.Unshare(unix.CLONE_NEWNET)
		for open := range work {
			results <- open()
		}
	}()
	if err := <-results; err != nil {
		t.Skip("no network namespace for this user: ", err)
	}
	return func(open func() error) error {
		work <- open
		return <-results
	}
}
