package natlab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A space is a network namespace without a name: it vanishes with its last process, thread, socket
// and descriptor.
type space struct {
	ends atomic.Uint32 // far ends of veth pairs that were put here, for their names

	mu sync.Mutex
	fd int // -1 when closed
}

// newSpace makes a namespace in which only lo exists, and is up.
func newSpace() (*space, error) {
	s := &space{fd: -1}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread belongs to the namespace and ends here
		made <- s.unshare()
	}()
	if err := <-made; err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *space) unshare() (err error) {
	if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return unavailable(fmt.Errorf("make a network namespace: %w", err))
	}
	if s.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	return loopbackUp()
}

// loopbackUp sets lo up in the calling thread's namespace.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// do runs fn with the calling goroutine locked to a thread that is in the namespace, and returns
// fn's error.
func (s *space) do(fn func() error) error {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer unix.Close(home)
	if err := s.enter(); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	defer func() {
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // else the thread stays locked, so that it ends with the goroutine
	}()
	return fn()
}

// enter moves the calling thread into the namespace.
func (s *space) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	return unix.Setns(s.fd, unix.CLONE_NEWNET)
}

// close lets go of the namespace. Threads and sockets that are in it keep it alive.
func (s *space) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}

// sysctl sets a kernel parameter of the calling thread's namespace, such as
// net.ipv4.tcp_syn_retries.
func sysctl(name, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	return os.WriteFile(path, []byte(value), 0)
}

// trySysctl is sysctl, but for parameters that some kernels do not have.
func trySysctl(name, value string) error {
	if err := sysctl(name, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unavailable wraps ErrUnavailable and adds what is known to forbid namespaces on this machine.
func unavailable(cause error) error {
	if errors.Is(cause, ErrUnavailable) {
		return cause
	}
	advice := "in a container, allow it CAP_SYS_ADMIN and the unshare system call"
	for _, knob := range []struct{ name, forbids, allow string }{
		{"kernel.unprivileged_userns_clone", "0", "1"},
		{"user.max_user_namespaces", "0", "10000"},
		{"user.max_net_namespaces", "0", "10000"},
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
	} {
		value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(knob.name, ".", "/"))
		if err == nil && strings.TrimSpace(string(value)) == knob.forbids {
			advice = fmt.Sprintf("as root: sysctl %s=%s", knob.name, knob.allow)
			break
		}
	}
	if os.Geteuid() != 0 {
		advice += ", or run as root"
	}
	return fmt.Errorf("%w: %w (%s)", ErrUnavailable, cause, advice)
}
