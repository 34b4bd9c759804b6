package rendezvous

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

const (
	// holesMax is how many of the server's hole ports are asked. Two more views than the main connection's show a
	// mapping that depends on the endpoint, and its step.
	holesMax = 2
	// holesElsewhereMax is how many of the server's other addresses are asked, in all.
	holesElsewhereMax = 3
	// samples is how many mappings of fresh ports are looked at. With the node's own these are enough to take no random ports for a
	// counter or a block, and few enough for networks that allow a subscriber 64.
	samples = 6
	// samplePause is the least time from one sample to the next, so that the network sees them in their order, and others' traffic
	// between them shows.
	samplePause = 8 * time.Millisecond
)

// A measurement is one look at how the networks between node and server treat TCP.
type measurement struct {
	main *mainConn

	mu     sync.Mutex
	v4, v6 natbehavior.Evidence
	holes  []Observation
	asked  []netip.Addr // of the server, in this measurement
}

// measureAll measures when the main connection begins, and again when somebody asks for it.
func (s *mainConn) measureAll(ctx context.Context) {
	if s.proxied || len(s.holePorts) == 0 {
		return // there is nothing to see: no other connection keeps a mapping alive; or nobody to look
	}
	for {
		retryAfter := s.measure(ctx)
		var again <-chan time.Time
		if retryAfter > 0 {
			again = time.After(retryAfter)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.client.remeasure:
		case <-again:
		}
	}
}

// measure looks at mapping and allocation first, which takes a round trip and some 60 ms, and tells the server. It then has the server
// dial back, which takes seconds where nothing comes in, and only then connects to the server's other addresses: they are those
// that the node's filter knows nothing of. It returns when to measure again because the server was busy; zero: never.
func (s *mainConn) measure(ctx context.Context) (retryAfter time.Duration) {
	defer s.client.expectProofs()()
	m := s.newMeasurement()
	m.note(natbehavior.Sample{Local: s.state.Local, Server: s.state.Remote, Seen: s.state.Observed, At: s.opened})
	elsewhere := s.holesElsewhere()

	var first sync.WaitGroup
	first.Go(func() { m.own(ctx, s.holesHere()...) })
	other, hasOther := s.otherFamily(elsewhere)
	kept := s.keptSample()
	switch {
	case kept.Seen.IsValid():
		m.contact(kept.Server.Addr())
		m.note(kept)
		m.addHole(Observation{kept.Server, kept.Seen})
	case hasOther:
		first.Go(func() { m.own(ctx, other) })
	}
	first.Go(func() { m.sample(ctx) })
	first.Wait()
	m.publish(true, false)
	if ctx.Err() != nil {
		return 0
	}
	if hasOther && m.isTranslated(other.Addr()) {
		s.keep(other)
	}

	var second sync.WaitGroup
	second.Go(func() { m.closedPort(ctx) })
	second.Go(func() { retryAfter = m.dialBack(ctx) })
	second.Wait()
	m.own(ctx, elsewhere...)
	m.hairpin(ctx)
	m.publish(true, retryAfter == 0)
	return retryAfter
}

// newMeasurement begins with what takes longest to learn, from the last one in this network.
func (s *mainConn) newMeasurement() *measurement {
	m := &measurement{main: s}
	state := s.client.State()
	keep := func(e natbehavior.Evidence) natbehavior.Evidence {
		e.Samples = nil
		return clone(e)
	}
	m.v4, m.v6 = keep(state.IPv4), keep(state.IPv6)
	return m
}

// holesHere is the hole ports on the address of the main connection.
func (s *mainConn) holesHere() []netip.AddrPort {
	var holes []netip.AddrPort
	for _, port := range s.holePorts[:min(len(s.holePorts), holesMax)] {
		holes = append(holes, netip.AddrPortFrom(s.state.Remote.Addr(), uint16(port)))
	}
	return holes
}

// holesElsewhere is the hole listeners on other addresses that the invite names too: the server's word alone is not enough to dial.
func (s *mainConn) holesElsewhere() []netip.AddrPort {
	var holes []netip.AddrPort
	for _, hole := range s.welcomed.GetHoles() {
		addr := hole.AddrPort()
		isNew := !slices.ContainsFunc(holes, func(h netip.AddrPort) bool { return h.Addr() == addr.Addr() })
		if isNew && addr.Addr() != s.state.Remote.Addr() && slices.Contains(s.named, addr.Addr()) && len(holes) < holesElsewhereMax {
			holes = append(holes, addr)
		}
	}
	return holes
}

// own opens hole connections from the node's port, one after the other, to addresses that it has not been to yet.
func (m *measurement) own(ctx context.Context, to ...netip.AddrPort) {
	var holes sync.WaitGroup
	defer holes.Wait()
	for _, hole := range to {
		if hole.Addr() != m.main.state.Remote.Addr() && !m.contact(hole.Addr()) {
			continue
		}
		holes.Go(func() {
			seen, err := m.main.openHole(ctx, hole)
			if err != nil {
				if ctx.Err() == nil {
					m.main.client.log.Info("hole connection failed", "server", hole, "err", err)
				}
				return
			}
			m.note(seen)
			m.addHole(Observation{hole, seen.Seen})
		})
		if !pause(ctx, samplePause) {
			return
		}
	}
}

// sample looks at the mappings of fresh ports, in the family of the main connection: each begins when the SYN before has left.
func (m *measurement) sample(ctx context.Context) {
	s := m.main
	if s.client.config.DialSample == nil || len(s.holePorts) == 0 || s.state.Local.Addr() == s.state.Observed.Addr() {
		return
	}
	to := s.holesHere()[0]
	if !pause(ctx, time.Duration(len(s.holesHere()))*samplePause) { // the node's own hole connections go first
		return
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range samples {
		left := make(chan struct{})
		all.Go(func() {
			seen, conn, err := s.openSample(ctx, to, 0, func() { close(left) })
			if err == nil {
				abort(conn)
				m.note(seen)
			}
		})
		select {
		case <-left:
		case <-ctx.Done():
			return
		}
		if !pause(ctx, samplePause) {
			return
		}
	}
}

// note takes a sample.
func (m *measurement) note(s natbehavior.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.of(s.Server.Addr())
	e.Samples = append(e.Samples, s)
}

// of is the evidence of the family of addr. The caller holds mu.
func (m *measurement) of(addr netip.Addr) *natbehavior.Evidence {
	if addr.Is4() {
		return &m.v4
	}
	return &m.v6
}

// addHole tells of a hole connection at once: the node's other addresses are candidates.
func (m *measurement) addHole(o Observation) {
	m.mu.Lock()
	m.holes = append(m.holes, o)
	m.mu.Unlock()
	m.publish(false, false)
}

// publish makes what was measured the client's, and registers it if it is worth a message.
func (m *measurement) publish(register, isComplete bool) {
	m.mu.Lock()
	v4, v6 := clone(m.v4), clone(m.v6)
	holes := slices.Clone(m.holes)
	m.mu.Unlock()
	c := m.main.client
	c.mu.Lock()
	if c.main != m.main {
		c.mu.Unlock()
		return
	}
	v4.Lifetime, v6.Lifetime = c.state.IPv4.Lifetime, c.state.IPv6.Lifetime // which is measured meanwhile
	c.state.Holes, c.state.IPv4, c.state.IPv6 = holes, v4, v6
	c.state.Measured = c.state.Measured || isComplete
	c.state.Behavior = natbehavior.Reports{IPv4: natbehavior.Classify(v4), IPv6: natbehavior.Classify(v6)}
	c.mu.Unlock()
	if register {
		m.main.registerBehavior()
	}
	c.tellState()
}

func clone(e natbehavior.Evidence) natbehavior.Evidence {
	e.Samples, e.DialBacks = slices.Clone(e.Samples), slices.Clone(e.DialBacks)
	return e
}

// Remeasure looks at the networks anew, because something changed that the connection to the server may not have noticed: an interface,
// an address, a route. It does not block. Each new connection to the server measures in any case.
func (c *Client) Remeasure() {
	select {
	case c.remeasure <- struct{}{}:
	default: // it is noted already
	}
}

// pause tells whether it lasted for d, and not only until ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
