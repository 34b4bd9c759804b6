package server

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// attempts are those under way. An attempt is between two connections, not two nodes: its SYNs leave from their ports.
type attempts struct {
	server *Server

	mu     sync.Mutex
	byID   map[wire.AttemptID]*attempt
	byPair map[pair]*attempt
	closed bool
}

// A pair is two connections, by their numbers, the lower first. They may have one attempt that is returning beside another.
type pair struct {
	low, high uint64
	returning bool
}

// An attempt leads two nodes through up to three rounds. It has a timer and no goroutine.
type attempt struct {
	id  wire.AttemptID
	all *attempts

	mu        sync.Mutex
	ends      [2]end // the dialer's, the callee's
	relay     relaying
	keeps     bool           // both get a token for later
	plan      []rounds.Round // as of the newest round
	round     int            // the newest; zero: none has begun
	began     time.Time      // the round
	prepared  *rounds.Round  // the next one, for which samples are awaited until nextAt; nil: none
	timer     *time.Timer
	endsAt    time.Time
	nextAt    time.Time // of the next round; zero: none
	isQuiet   bool      // nextAt is when the round has had its time, and nothing has failed
	over      bool
	relayed   bool // they have one, with which one by the relay is to be compared: there is one round, and nobody is told where the other is
	returning bool // in the place of one that is late
	beside    bool // the two have a connection: every round leaves from new ports, where both sides can show one
}

// An end is what an attempt knows of one of its sides.
type end struct {
	conn    *conn
	role    wire.Role
	request uint64         // of the Dial that the introduction answers
	also    []uint64       // of Dials that came before the first introduction
	samples bool           // it answers Sample
	awaited bool           // a sample of it
	sampled netip.AddrPort // its newest mapping, for the round that is being prepared or runs
	fresh   netip.AddrPort // and that of the port from which this round leaves; zero: the usual one
	side
}

func newAttempts(s *Server) *attempts {
	return &attempts{server: s, byID: map[wire.AttemptID]*attempt{}, byPair: map[pair]*attempt{}}
}

func pairOf(a, b *conn, returning bool) pair {
	return pair{min(a.number, b.number), max(a.number, b.number), returning}
}

// introduce begins an attempt, or lets dialer join the one that runs between the two. It tells which: "introduced", "joined" or "limited"; or
// "not_here": a relayed connection is wanted, and one side or the server has no use for the relay.
func (s *attempts) introduce(dialer, callee *conn, m *wire.Dial) (outcome string) {
	relay := wishes(dialer, callee)
	keeps := relay == relayInTime
	if m.DirectOnly {
		relay = relayNever
	}
	if m.Relayed {
		if relay == relayNever || s.server.relay == nil {
			return "not_here"
		}
		relay = relayAtOnce
	}
	between := pairOf(dialer, callee, m.Returning && m.Relayed)
	s.mu.Lock()
	if running := s.byPair[between]; running != nil {
		s.mu.Unlock()
		if running.join(dialer, m.Request) {
			return "joined"
		}
		s.mu.Lock() // it ended meanwhile, and is out of the books
		if s.byPair[between] != nil {
			s.mu.Unlock()
			return "limited" // somebody else has begun another one this very moment; the node may try again
		}
	}
	limit := int32(s.server.limits.AttemptsPerNode)
	if s.closed || dialer.attempts.Load() >= limit || callee.attempts.Load() >= limit {
		s.mu.Unlock()
		return "limited"
	}
	a := &attempt{all: s, endsAt: time.Now().Add(attemptTimeout), relay: relay, keeps: keeps, beside: m.Beside, relayed: m.Relayed, returning: between.returning, ends: [2]end{
		{conn: dialer, role: wire.Role_ROLE_DIALER, request: m.Request},
		{conn: callee, role: wire.Role_ROLE_CALLEE},
	}}
	rand.Read(a.id[:]) // never fails
	a.mu.Lock()
	defer a.mu.Unlock()
	s.byID[a.id], s.byPair[between] = a, a
	dialer.attempts.Add(1)
	callee.attempts.Add(1)
	s.mu.Unlock()

	a.timer = time.AfterFunc(attemptTimeout, a.fire)
	a.beginLocked(m.Sampling)
	return "introduced"
}

// join answers a further Dial with the introduction of the round that runs. It tells if the attempt is over instead.
func (a *attempt) join(c *conn, request uint64) (joined bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.endOfLocked(c)
	if e == nil || a.over {
		return false
	}
	if a.round == 0 {
		e.also = append(e.also, request) // as many as a node may dial in a second
		return true
	}
	e.request = request
	c.send(a.introductionLocked(e, 0))
	return true
}

// introductionLocked is the frame that introduces the other side to e.
func (a *attempt) introductionLocked(e *end, delay time.Duration) []byte {
	peer := a.otherLocked(e).conn
	profile, name, observed, mapped := peer.room.whereabouts(peer)
	behavior, behavior6 := peer.room.behavior(peer)
	if a.relayed {
		observed, mapped = nil, nil
	}
	return a.all.server.appendFrame(nil, &wire.ServerMessage{Body: &wire.ServerMessage_Introduction{Introduction: &wire.Introduction{
		Attempt:       a.id[:],
		Request:       e.request,
		Round:         uint32(a.round),
		Role:          e.role,
		Peer:          peer.node[:],
		SealedProfile: profile,
		NameTag:       name[:],
		Observed:      observed,
		Mapped:        mapped,
		DelayUs:       uint32(delay.Microseconds()),
		DeadlineMs:    milliseconds(attemptTimeout),
		Relay:         a.relayOfferLocked(e),
		Sample:        endpointOf(a.otherLocked(e).sampled),
		Fresh:         endpointOf(a.otherLocked(e).fresh),
		Beside:        a.beside,
		Relayed:       a.relayed,
		Returning:     a.returning,
		Kept:          a.keptLocked(e),
		Behavior:      behavior,
		Behavior6:     behavior6,
	}}})
}

func (a *attempt) endOfLocked(c *conn) *end {
	for i := range a.ends {
		if a.ends[i].conn == c {
			return &a.ends[i]
		}
	}
	return nil
}

func (a *attempt) otherLocked(e *end) *end {
	if e == &a.ends[0] {
		return &a.ends[1]
	}
	return &a.ends[0]
}

func (s *attempts) find(id []byte) *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[wire.AttemptID(id)]
}

// report notes what failed for c, and begins the next round or has the timer do so.
func (s *attempts) report(c *conn, m *wire.Report) {
	a := s.find(m.Attempt)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.endOfLocked(c)
	if e == nil || a.over || int(m.Round) > a.round {
		return
	}
	peer := a.otherLocked(e).conn
	_, _, observed, mapped := peer.room.whereabouts(peer)
	weight, rejected := weigh(m.Failures, append(observed, mapped...))
	e.rejected = e.rejected || rejected
	e.busy = e.busy || isBusy(m.Failures)
	if int(m.Round) == a.round {
		e.failed = max(e.failed, weight)
	} else if weight == failedReflexive {
		e.late = true
	}
	a.considerLocked()
}

// another begins the next round of c's attempts at once: c has been proven at an endpoint that its peers have not dialled yet.
func (s *attempts) another(c *conn) {
	for _, a := range s.of(c) {
		a.mu.Lock()
		if !a.over && a.round > 0 && a.round < wire.MaxRounds {
			a.nextLocked(true)
		}
		a.mu.Unlock()
	}
}

// of is the attempts of a connection.
func (s *attempts) of(c *conn) []*attempt {
	if c.attempts.Load() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*attempt
	for p, a := range s.byPair {
		if p.low == c.number || p.high == c.number {
			all = append(all, a)
		}
	}
	return all
}

func (s *attempts) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}
