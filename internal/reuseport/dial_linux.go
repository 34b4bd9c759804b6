package reuseport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
	"golang.org/x/sys/unix"
)

// connect dials from local to remote, with the options of every socket here. Only
// the start of the handshake runs within; the wait for its end holds no thread.
// (A net.Dialer would wait within: 512 dials in another namespace were 512 threads.)
// It calls started when the SYN has left, with its socket, or with nil if none did.
func connect(ctx context.Context, within netspace.Space, started func(syscall.RawConn), local, remote netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		started(nil)
		return nil, err
	}
	var socket *os.File
	err := within.Do(func() error {
		fd, err := startConnect(local, remote)
		if err != nil {
			return err
		}
		socket = os.NewFile(uintptr(fd), "tcp")
		return nil
	})
	if err != nil {
		started(nil)
		return nil, err
	}
	defer socket.Close()
	raw, err := socket.SyscallConn()
	started(raw)
	if err != nil {
		return nil, err
	}
	if err := waitConnected(ctx, socket, raw); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(socket) // a duplicate: the file is closed in any case
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if err := errors.Join(tcp.SetKeepAliveConfig(keepAlive()), tcp.SetLinger(lingerDefault)); err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return tcp, nil
}

// startConnect makes a non-blocking socket and sends its SYN.
func startConnect(local, remote netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET6
	if remote.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	defer func(opened int) { // by value: a failing return sets fd to -1 first
		if err != nil {
			_ = unix.Close(opened)
		}
	}(fd)
	if err := setReuse(fd); err != nil {
		return -1, err
	}
	if err := resetOnClose(uintptr(fd)); err != nil {
		return -1, os.NewSyscallError("setsockopt", err)
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return -1, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, sockaddr(local)); err != nil {
		return -1, os.NewSyscallError("bind", err)
	}
	err = unix.Connect(fd, sockaddr(remote))
	switch {
	case err == nil, errors.Is(err, unix.EINPROGRESS), errors.Is(err, unix.EINTR):
		return fd, nil
	case errors.Is(err, unix.EADDRNOTAVAIL) && !hasSource(family, remote):
		return -1, fmt.Errorf("%w: %w", errNoSource, os.NewSyscallError("connect", err))
	}
	return -1, os.NewSyscallError("connect", err)
}

// hasSource reports whether this machine has an address to reach remote from. TCP
// has the same error for the lack of one (IPv6 switched off, as containers have it)
// and for a busy 4-tuple; a UDP socket, whose connect sends nothing, has it for the
// former only.
func hasSource(family int, remote netip.AddrPort) bool {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Connect(fd, sockaddr(remote)) == nil
}

// waitConnected waits until the handshake that socket has started is over.
func waitConnected(ctx context.Context, socket *os.File, raw syscall.RawConn) error {
	stop := context.AfterFunc(ctx, func() { _ = socket.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()

	var result error
	err := raw.Write(func(fd uintptr) bool {
		var done bool
		done, result = connectResult(int(fd))
		return done
	})
	switch {
	case err == nil:
		return result
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// connectResult asks whether the handshake is over and how it ended. Only poll can
// say so: in the middle of a simultaneous open (SYN_RECEIVED) the socket has no
// error and has a peer, but is not connected yet.
func connectResult(fd int) (done bool, err error) {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	ready, err := unix.Poll(poll, 0)
	for errors.Is(err, unix.EINTR) {
		ready, err = unix.Poll(poll, 0)
	}
	if err != nil {
		return true, os.NewSyscallError("poll", err)
	}
	if ready == 0 {
		return false, nil
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, os.NewSyscallError("getsockopt", err)
	}
	switch failed := os.NewSyscallError("connect", syscall.Errno(errno)); {
	case errno == 0:
		return true, nil
	case errno == int(unix.ECONNREFUSED) && !hasReceived(fd):
		return true, fmt.Errorf("%w: %w", errICMP, failed)
	default:
		return true, failed
	}
}

// hasReceived reports whether a segment came in. The kernel counts a reset, and says of the socket that an ICMP message ended that none
// came.
func hasReceived(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err != nil || info.Segs_in > 0
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
