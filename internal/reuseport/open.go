package reuseport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// Random ports come from this range: above what services use and what peers
// refuse to dial, below the ports Windows and IANA hand out first.
const (
	firstRandomPort = 20000
	lastRandomPort  = 60000
)

// randomTries bounds the search for a free random port. With a tenth of the range
// taken, 64 tries fail once in 10^64 times: then something else is wrong.
const randomTries = 64

// Open takes a port and listens on it, on the wildcard address of IPv4 and of
// IPv6 (where the machine has it). The two are separate: an IPv6 socket never
// carries IPv4. Nothing is accepted until Accept is called. The caller closes
// the Port.
//
// Open returns an error matching [ErrPortInUse] if Config.Port belongs to someone
// else in either family, even to a process of the same user that would let us
// share it: then each of us would get some of the other's connections. Sockets of
// an earlier Port that are still connected or in TIME_WAIT are no obstacle.
func Open(ctx context.Context, c Config) (*Port, error) {
	if c.Port != 0 {
		return open(ctx, c)
	}
	return openRandom(ctx, c, func() uint16 {
		return uint16(firstRandomPort + rand.IntN(lastRandomPort-firstRandomPort+1))
	})
}

// openRandom opens the first free port that next names.
func openRandom(ctx context.Context, c Config, next func() uint16) (*Port, error) {
	var err error
	for range randomTries {
		c.Port = next()
		var p *Port
		if p, err = open(ctx, c); !errors.Is(err, ErrPortInUse) {
			return p, err
		}
	}
	return nil, fmt.Errorf("find a free port in %d tries: %w", randomTries, err)
}

func open(ctx context.Context, c Config) (*Port, error) {
	p := &Port{
		number:   c.Port,
		within:   c.Within,
		accepted: make(chan acceptance, acceptQueue),
		closing:  make(chan struct{}),
		dials:    map[*context.CancelCauseFunc]struct{}{},
		expected: map[netip.AddrPort]chan<- net.Conn{},
	}
	if err := p.within.Do(func() error { return p.listenBoth(ctx) }); err != nil {
		_ = p.closeListeners()
		return nil, err
	}
	return p, nil
}

// listenBoth listens in both families; one may be missing, but not both.
func (p *Port) listenBoth(ctx context.Context) error {
	var missing error
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		local := netip.AddrPortFrom(any, p.number)
		l, err := listen(ctx, local)
		switch {
		case err == nil:
			p.listeners = append(p.listeners, l)
		case isFamilyMissing(err):
			missing = errors.Join(missing, err)
		case isPortTaken(err):
			return fmt.Errorf("listen on %v: %w", local, ErrPortInUse)
		default:
			return err
		}
	}
	if len(p.listeners) == 0 {
		return missing
	}
	return nil
}

// listenConfig is for every listener here. Multipath TCP is off: it is of no use
// to a connection between two addresses, and its option in the SYN is one thing
// more that a middlebox may dislike.
func listenConfig() *net.ListenConfig {
	lc := &net.ListenConfig{KeepAliveConfig: keepAlive()}
	lc.SetMultipathTCP(false)
	return lc
}

// keepAlive finds a dead connection in 15 + 9 x 15 s and keeps a NAT's mapping
// alive: the worst boxes forget an idle one after about 4 minutes.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second}
}

// network names the family of a, which net.Listen then keeps apart (IPV6_V6ONLY).
func network(a netip.Addr) string {
	if a.Is4() {
		return "tcp4"
	}
	return "tcp6"
}
