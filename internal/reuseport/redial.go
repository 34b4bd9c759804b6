package reuseport

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	// maxRedials bounds how many SYNs one Redial sends beside those that the kernel repeats.
	maxRedials = 8
	// crossedMargin is how much longer than a round trip Redial waits for what the other end has sent on the old connection.
	crossedMargin = 10 * time.Millisecond
)

// Redial is Dial to the other end of a connection that has just been lost, between the same two ports, over a path of some round trip. The
// other end may not know of the loss: it challenges the SYN (RFC 5961, section 4.2), and its data meets this socket. The kernel answers each
// such segment with a reset, by which the other end learns; but a NAT on the way that sees a reset behind the SYN takes the connection for
// ended, and lets nothing of it through. So when more than one has come, Redial sends no SYN for a round trip, in which all have come and the other
// end may dial, and then a new one. It also dials again when it is refused. Behind a single segment the kernel sends the SYN again by itself,
// after two of its ticks.
//
// Elsewhere than on Linux it sees no such segments.
func (p *Port) Redial(ctx context.Context, remote netip.AddrPort, rtt time.Duration) (net.Conn, error) {
	for tries := 1; ; tries++ {
		conn, crossed, err := p.dialUncrossed(ctx, remote)
		switch kind := Classify(err); {
		case err == nil || ctx.Err() != nil || tries == maxRedials:
			return conn, err
		case !crossed.IsZero():
			wait(ctx, time.Until(crossed.Add(rtt+crossedMargin)))
		case kind == TupleBusy || kind == Unreachable || kind == Canceled:
			return nil, err
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// dialUncrossed dials until the connection is open, or until segments of an older one have come, the first of them at crossed.
func (p *Port) dialUncrossed(ctx context.Context, remote netip.AddrPort) (conn net.Conn, crossed time.Time, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watching sync.WaitGroup
	var seen crossing
	conn, err = p.dial(ctx, remote, func(socket syscall.RawConn) {
		if socket != nil {
			watching.Go(func() {
				seen.watch(ctx, socket)
				if seen.over() {
					cancel()
				}
			})
		}
	})
	cancel()
	watching.Wait()
	if err == nil || !seen.over() {
		return conn, time.Time{}, err
	}
	return nil, seen.first, err
}

// A crossing is what has come to a socket in SYN_SENT, by what the kernel counts.
type crossing struct {
	segments uint32
	first    time.Time // when there was one
}

// look takes in the count.
func (c *crossing) look(segments uint32, now time.Time) {
	if c.segments = segments; segments > 0 && c.first.IsZero() {
		c.first = now
	}
}

// over tells whether the dial is to begin anew: the other end sends, and not only a late acknowledgment or a challenge.
func (c *crossing) over() bool { return c.segments > 1 }
