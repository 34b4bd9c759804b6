package reuseport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// A Connect is one connection that does not leave from a [Port]: from another port, to see how that is mapped, or from one of this
// machine's addresses.
type Connect struct {
	Within  netspace.Space // as in Config; nil: here
	Local   netip.AddrPort // the zero value: any. Port zero: any port
	Remote  netip.AddrPort
	Started func() // called once the SYN has left, or has failed to; nil: nobody. Elsewhere than on Linux it is called before
}

// Dial connects, as [Port.Dial] does, with the same options, so that more connections may leave from the same port.
func (c Connect) Dial(ctx context.Context) (net.Conn, error) {
	remote := netip.AddrPortFrom(c.Remote.Addr().Unmap(), c.Remote.Port())
	local := c.Local
	if !local.Addr().IsValid() {
		local = netip.AddrPortFrom(netip.IPv6Unspecified(), local.Port())
		if remote.Addr().Is4() {
			local = netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port())
		}
	}
	if c.Started == nil {
		c.Started = func() {}
	}
	if !remote.IsValid() || remote.Port() == 0 || remote.Addr().Zone() != "" || remote.Addr().Is4() != local.Addr().Unmap().Is4() {
		c.Started()
		return nil, dialError(local, remote, errBadRemote)
	}
	conn, err := connect(ctx, c.Within, func(syscall.RawConn) { c.Started() }, local, remote)
	var op *net.OpError
	if err != nil && !errors.As(err, &op) {
		return nil, dialError(local, remote, err)
	}
	return conn, err
}

// ByICMP reports whether err, of a dial that was refused, came as an ICMP message and not as a reset. The system has one error for
// both; elsewhere than on Linux nothing tells them apart, and ByICMP is true only for what is never a reset.
func ByICMP(err error) bool {
	if errors.Is(err, errICMP) {
		return true
	}
	var errno syscall.Errno
	return errors.As(err, &errno) && classifyErrno(errno) == Unreachable && !errors.Is(err, errNoSource)
}

// errICMP marks a refusal without a segment.
var errICMP = errors.New("by ICMP")
