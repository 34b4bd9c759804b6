package rendezvous

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// keepAgain is how long after a kept connection has ended the next is made.
const keepAgain = 10 * time.Second

// keeping is the connection that keeps the mapping of the node's port in the other address family. But for its channel it is guarded by the main
// connection's mu.
type keeping struct {
	toKeep chan netip.AddrPort // holds one; see keep
	kept   natbehavior.Sample  // what it shows; zero: there is none
}

// otherFamily is the first of holes in the other address family than the main connection's.
func (s *mainConn) otherFamily(holes []netip.AddrPort) (hole netip.AddrPort, ok bool) {
	i := slices.IndexFunc(holes, func(h netip.AddrPort) bool { return h.Addr().Is4() != s.state.Remote.Addr().Is4() })
	if i < 0 {
		return netip.AddrPort{}, false
	}
	return holes[i], true
}

// isTranslated reports whether connections to addr have been seen to come from elsewhere than this machine.
func (m *measurement) isTranslated(addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.of(addr).Samples, func(s natbehavior.Sample) bool { return s.Seen != s.Local })
}

// keep has the mapping of the node's port kept in the other address family, by a connection to hole. In the family of the
// main connection that does so, and where nothing is translated there is no mapping to keep.
func (s *mainConn) keep(hole netip.AddrPort) {
	select {
	case s.toKeep <- hole:
	default: // it does so
	}
}

// keptSample is what the kept connection shows, the zero Sample if there is none.
func (s *mainConn) keptSample() natbehavior.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// keepOther keeps one connection open, once there is a reason to, until the main connection ends. The kernel's keepalives keep the mapping.
func (s *mainConn) keepOther(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case hole := <-s.toKeep:
		s.toKeep <- hole // so that nobody asks again
		for {
			err := s.keepOne(ctx, hole)
			s.setKept(natbehavior.Sample{})
			s.client.log.Debug("kept connection ended", "server", hole, "err", err)
			if !pause(ctx, keepAgain) {
				return
			}
		}
	}
}

func (s *mainConn) keepOne(ctx context.Context, hole netip.AddrPort) error {
	dialing, cancel := context.WithTimeout(ctx, holeTimeout)
	defer cancel()
	at := time.Now()
	conn, err := s.client.config.Dial(dialing, hole)
	if err != nil {
		return err
	}
	defer abort(conn)
	sample, err := s.ask(dialing, conn, hole, at, &wire.HoleHello{HoldS: wire.MaxHold})
	if err != nil {
		return err
	}
	s.setKept(sample)
	return s.hear(ctx, conn, lifetimeMax+lifetimeGrace)
}

func (s *mainConn) setKept(sample natbehavior.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = sample
}
