package reuseport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// Dial connects to remote with the port's number as source port, or fails. It
// never tries another source port, nor a second time.
//
// Dial blocks until the connection is made, the kernel gives up (on Linux after
// about 70 s of silence), ctx ends or the port is closed. When ctx ends the socket
// is closed, and that is a danger when two peers dial each other: one's SYN may
// have been answered already, so that the other side sees a connection which now
// dies. Let all dials of an attempt have one long deadline (10 s or more), and end
// them only when another connection has been chosen. Above all do not dial in
// short intervals: a socket that has not failed sends its SYN again by itself,
// while one that is closed and replaced takes the half-made connection with it. (A
// dial that is ended half-way resets the connection, so that at least its addresses
// and ports are free for the next attempt at once.)
//
// The error is a *[net.OpError] around the system's; [Classify] tells what it means
// for an attempt. The caller closes the connection.
func (p *Port) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	return p.dial(ctx, remote, unwatched)
}

// unwatched is for a dial whose socket nobody looks at meanwhile.
func unwatched(syscall.RawConn) {}

func (p *Port) dial(ctx context.Context, remote netip.AddrPort, started func(syscall.RawConn)) (net.Conn, error) {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	local := p.source(remote.Addr())
	if !remote.IsValid() || remote.Port() == 0 || remote.Addr().Zone() != "" {
		return nil, dialError(local, remote, errBadRemote)
	}
	dialCtx, leave, err := p.enter(ctx)
	if err != nil {
		return nil, dialError(local, remote, err)
	}
	defer leave()

	conn, err := connect(dialCtx, p.within, started, local, remote)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(context.Cause(dialCtx), net.ErrClosed):
		return nil, dialError(local, remote, net.ErrClosed)
	case ctx.Err() != nil:
		return nil, dialError(local, remote, ctx.Err())
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return nil, err
	}
	return nil, dialError(local, remote, err)
}

// errBadRemote is the error of a dial to no address, to port 0, or to an address
// with a zone: those are link-local and never dialled.
var errBadRemote = errors.New("not an address and port that can be dialled")

// lingerDefault is the argument of SetLinger for an orderly close. While a socket is
// being connected it lingers for no time, which means a reset: closed orderly in
// the middle of a simultaneous open it would hold its 4-tuple for up to a minute.
const lingerDefault = -1

// source returns the local address of a dial to remote: the wildcard, so that the
// kernel takes the address its route says, and our port.
func (p *Port) source(remote netip.Addr) netip.AddrPort {
	if remote.Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), p.number)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), p.number)
}

func dialError(local, remote netip.AddrPort, err error) *net.OpError {
	return &net.OpError{
		Op: "dial", Net: "tcp", Err: err,
		Source: net.TCPAddrFromAddrPort(local), Addr: net.TCPAddrFromAddrPort(remote),
	}
}
