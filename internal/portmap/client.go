package portmap

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// A client asks one gateway by one protocol for one port. Its methods are called one at a time.
type client interface {
	protocol() Protocol

	// find finds out whether the gateway speaks the protocol, changing nothing there.
	find(ctx context.Context) error

	// mapPort asks for the mapping, or renews it.
	mapPort(ctx context.Context, lifetime time.Duration) (Mapping, error)

	// check reports what the gateway can tell of a mapping without renewing it: errLost if it is no more, or is another
	// one, another error if it does not answer.
	check(ctx context.Context) error

	// unmap removes what mapPort has made. Without an answer it tries as long as ctx allows.
	unmap(ctx context.Context) error
}

var (
	// errSilent says that nothing came back.
	errSilent = errors.New("portmap: no answer")
	// errLost says that the gateway does not have the mapping any more, or has another address.
	errLost = errors.New("portmap: mapping lost")
	// errMalformed says that what came back is no answer.
	errMalformed = errors.New("portmap: malformed answer")
)

// newClient returns the client of a protocol.
func newClient(p Protocol, l link, port uint16) client {
	switch p {
	case PCP:
		return newPCPClient(l, port)
	case NATPMP:
		return &natpmpClient{link: l, port: port}
	default:
		return newUPnPClient(l, port)
	}
}

// seconds is d as the protocols say it, rounded up: 0 would be a removal.
func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }

// lasts is a lifetime as the protocols say it. A gateway should grant a day at most (RFC 6887, section 15); more than a week is not
// believed.
func lasts(seconds uint32) time.Duration {
	return min(time.Duration(seconds)*time.Second, 7*24*time.Hour)
}

// external is an endpoint outside, an IPv4 address in its own form.
func external(addr netip.Addr, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(addr.Unmap(), port)
}
