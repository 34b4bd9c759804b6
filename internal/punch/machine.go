package punch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// machine takes every decision of one side of an attempt. It does no I/O and reads no clock: each method is one event,
// and returns what is to be done now. A try is named by its place in tries.
//
//	dialling ──opened──> verifying ──proven──> proven ──(dialer: first one)──> nominating ──> won
//	    |      accepted ──^  |                   |                                 |
//	    └──────── failed ────┴──── failed ───────┴──────────── lost ───────────────┘
//
// The relay is one more try, with rules of its own for when it starts and when it may be nominated (relay.go).
//
// It starts try after try at once; at which pace guesses leave is the shell's business.
type machine struct {
	role  Role
	tries []try

	round     int                           // the newest
	lastRound bool                          // no further one will come
	began     [wire.MaxRounds + 1]time.Time // each round; number 0 is the attempt
	failed    time.Time                     // when a failure of this round was first reported; zero: none
	expired   bool                          // the time is over
	guesses   int                           // tries of predictions and searches
	accepts   int
	relay     fallback

	over    bool
	winner  int   // valid if over and cause is nil
	cause   error // why there is no winner
	settled bool  // what was left after the end is closed, too
}

type try struct {
	Try
	port     port
	stage    stage
	isOpen   bool // there is a connection that nobody has closed
	opened   time.Time
	verified time.Time
}

// A port is where a try leaves from: two tries are of the same four-tuple only if they have the same port and remote.
type port int

const (
	home     port = 0  // the node's own
	unshared port = -1 // one that nobody else has
	// All else is the number of the round that brought a port.
)

// stage is where a try is on its way. All but ended are alive.
type stage uint8

const (
	dialling   stage = iota
	verifying        // open; prefaces and TLS
	proven           // ends at the peer. Callee: waits for the nomination. Dialer: one that was slower
	nominating       // dialer: the nomination is being written
	ended
)

// verb is what an action does.
type verb uint8

const (
	dial     verb = iota // open a connection to the remote; answered by dialed
	verify               // run prefaces and TLS; answered by checked
	nominate             // dialer: write the nomination; callee: wait for it. Answered by nominated
	abort                // close the connection with a reset
	retire               // close the connection in order
	report               // tell the failure to the server
)

// action is one thing that the shell is to do.
type action struct {
	verb    verb
	try     int
	failure Failure // of a report
}

// start is the event that a round is due.
func (m *machine) start(now time.Time, r Round) []action {
	if m.over || m.expired || r.Number <= m.round || r.Number > wire.MaxRounds {
		return nil
	}
	m.round, m.began[r.Number], m.failed = r.Number, now, time.Time{}
	var do []action
	for i, remote := range distinct(r.Remotes) {
		if i == candidate.MaxRound {
			break
		}
		if !m.isAlive(home, remote.Addr) {
			do = append(do, m.dial(now, home, Try{Remote: remote}))
		}
	}
	if r.Second.Dial != nil {
		do = append(do, m.dial(now, port(r.Number), Try{Remote: r.Second.Remote}))
	}
	do = append(do, m.guess(now, r.Guess)...)
	return append(do, m.giveUp(now)...)
}

func (m *machine) dial(now time.Time, from port, t Try) action {
	t.Round, t.Started = m.round, now
	m.tries = append(m.tries, try{Try: t, port: from, stage: dialling})
	return action{verb: dial, try: len(m.tries) - 1}
}

// noMoreRounds is the event that the server starts no further round.
func (m *machine) noMoreRounds(now time.Time) []action {
	m.lastRound = true
	return m.giveUp(now)
}

// dialed is the answer to dial: err is nil if the connection is open.
func (m *machine) dialed(now time.Time, i int, err error) []action {
	t := &m.tries[i]
	t.isOpen = err == nil
	if m.over {
		return m.goOn(i, verify, err)
	}
	if err == nil {
		t.stage, t.opened = verifying, now
		return []action{{verb: verify, try: i}}
	}
	if t.isRelayed() {
		return append(m.fail(now, i, NotRelayed, err, false), m.giveUp(now)...)
	}
	outcome := dialOutcome(err)
	// The peer's connection came in before ours went out: there is nothing to repeat.
	metInbound := outcome == TupleBusy && m.isAcceptedFrom(t.Remote.Addr)
	do := m.fail(now, i, outcome, err, !metInbound && !t.Guessed)
	return append(do, m.giveUp(now)...)
}

// accept is the event that an inbound connection named the attempt. It tells the try that it became; ok is false if
// the connection is not wanted and is to be closed.
func (m *machine) accept(now time.Time, remote netip.AddrPort) (i int, do []action, ok bool) {
	if m.over || m.accepts == maxAccepted {
		return 0, nil, false
	}
	m.accepts++
	m.tries = append(m.tries, try{
		Try:    Try{Remote: m.candidateAt(remote), Accepted: true, Round: max(m.round, 1), Started: now}, // the peer may be earlier than our first round
		stage:  verifying,
		isOpen: true,
		opened: now,
	})
	i = len(m.tries) - 1
	return i, []action{{verb: verify, try: i}}, true
}

// checked is the answer to verify: err is nil if the connection is proven to end at the peer.
func (m *machine) checked(now time.Time, i int, err error) []action {
	t := &m.tries[i]
	switch {
	case m.over:
		return m.goOn(i, nominate, err)
	case err != nil:
		outcome := checkOutcome(err)
		// What came in is no remote that could be dialled again. What the dialer cuts off is one that it needs no more.
		tell := !t.Accepted && !t.Guessed && (m.role == Dialer || outcome != CutOff)
		if t.isRelayed() {
			outcome, tell = NotRelayed, false
		}
		do := append(m.drop(i), m.fail(now, i, outcome, err, tell)...)
		return append(do, m.giveUp(now)...)
	}
	t.stage, t.verified = proven, now
	if m.role == Callee {
		return []action{{verb: nominate, try: i}}
	}
	return m.nominateNext(now)
}

// nominated is the answer to nominate: err is nil if the connection is the one that both sides keep. Only now are the
// others closed.
func (m *machine) nominated(now time.Time, i int, err error) []action {
	switch {
	case m.over:
		return m.drop(i)
	case err == nil:
		m.tries[i].stage, m.tries[i].Outcome, m.tries[i].Ended = ended, Nominated, now
		m.winner = i
		return m.finish(now, nil)
	}
	// Not told to the server: the dialer closes the callee's spare ones on purpose.
	do := append(m.drop(i), m.fail(now, i, Lost, err, false)...)
	do = append(do, m.nominateNext(now)...)
	return append(do, m.giveUp(now)...)
}

// expire is the event that the attempt's time is over. A nomination that is being written is not called back: the
// callee may have it.
func (m *machine) expire(now time.Time) []action {
	m.expired = true
	do := m.nominateNext(now) // a relayed one that is still held
	return append(do, m.giveUp(now)...)
}

// cancel is the event that the caller wants no connection any more.
func (m *machine) cancel(now time.Time, cause error) []action {
	if m.over {
		return nil
	}
	return m.finish(now, cause)
}

// nominateNext has the dialer nominate the direct connection that was proven first, or, if there is none and none is likely, the
// relayed one; unless it is at it already.
func (m *machine) nominateNext(now time.Time) []action {
	if m.over || m.role != Dialer || m.count(nominating) > 0 {
		return nil
	}
	next := m.firstProven(false)
	if next < 0 && (m.expired || !now.Before(m.heldUntil())) {
		next = m.firstProven(true)
	}
	if next < 0 {
		return nil
	}
	m.tries[next].stage = nominating
	return []action{{verb: nominate, try: next}}
}

// fail ends a try, which makes its remote free for the next round.
func (m *machine) fail(now time.Time, i int, outcome Outcome, err error, tell bool) []action {
	t := &m.tries[i]
	t.stage, t.Outcome, t.Err, t.Ended = ended, outcome, err, now
	kind := outcome.kind()
	if !tell || kind == wire.FailureKind_FAILURE_KIND_UNSPECIFIED {
		return nil
	}
	if t.Round == m.round && m.failed.IsZero() {
		m.failed = now
	}
	return []action{{verb: report, try: i, failure: Failure{Round: t.Round, Remote: t.Remote.Addr, Kind: kind}}}
}

// isAlive tells whether there is a try between the port and remote that has not failed.
func (m *machine) isAlive(from port, remote netip.AddrPort) bool {
	return slices.ContainsFunc(m.tries, func(t try) bool { return t.stage != ended && t.port == from && t.Remote.Addr == remote })
}

// isAcceptedFrom tells whether a connection from remote came in and has not failed.
func (m *machine) isAcceptedFrom(remote netip.AddrPort) bool {
	return slices.ContainsFunc(m.tries, func(t try) bool {
		return t.Accepted && t.stage != ended && t.Remote.Addr == remote
	})
}

func (m *machine) count(s stage) int {
	n := 0
	for _, t := range m.tries {
		if t.stage == s {
			n++
		}
	}
	return n
}

// candidateAt is the candidate that was dialled at remote, or else one without a type.
func (m *machine) candidateAt(remote netip.AddrPort) candidate.Candidate {
	for _, t := range m.tries {
		if t.Remote.Addr == remote {
			return t.Remote
		}
	}
	return candidate.Candidate{Addr: remote}
}

// distinct is remotes without those whose address came before.
func distinct(remotes []candidate.Candidate) []candidate.Candidate {
	var kept []candidate.Candidate
	for _, r := range remotes {
		if !slices.ContainsFunc(kept, func(k candidate.Candidate) bool { return k.Addr == r.Addr }) {
			kept = append(kept, r)
		}
	}
	return kept
}
