package bodkin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Limits on what a server can make a node do: an introduction costs up to six SYNs a round.
const (
	maxRunningAttempts = 64
	maxKnownAttempts   = 256 // running and ended ones; an ended one is kept so that its id cannot start it again
)

// Introductions that this node did not ask for, which is how a hostile server could use it: a sustained pace, and how many may
// come at once, as after a restart of everybody.
const (
	callsPerSecond = 5
	callsAtOnce    = 100
)

// supersedeTimeout is how long a new attempt waits for one that it supersedes, which may just have a connection.
const supersedeTimeout = 100 * time.Millisecond

var (
	errTooManyAttempts = errors.New("too many attempts at once")
	errTooManyCalls    = errors.New("too many introductions that were not asked for")
)

// An attempt is the work of one introduction: up to three rounds of opening a direct connection to one peer.
type attempt struct {
	id         wire.AttemptID
	peer       NodeID
	role       rendezvous.Role
	introduced time.Time
	behaves    natbehavior.Reports // the peer's networks, as it says
	observed   []netip.AddrPort    // where the server has seen the peer
	mapped     bool                // it has proven that a gateway forwards to it

	session *link // no server has introduced the peer, but itself: what comes is for this session
	beside  bool  // and is to be used in addition to what that has. Of the dialer
	aside   bool  // or to be measured first. Of the dialer
	relayed bool  // only a relayed connection is wanted, to be compared with the one that the two have

	kept      *keptRelay    // for the session that it is for; nil: none
	relayRTT  time.Duration // both round trips to the server together; zero: unknown
	successor bool          // the two have a session, whose carrier is to get a successor; it stays as it is
	peerFresh bool          // the peer leaves from a new port

	rounds chan punch.Round // further rounds; closed when the server starts no more
	seen   int              // the newest round. Guarded by attempts.mu, as is over
	over   bool
	gone   bool               // the peer has left the connection to the server on which it was introduced
	giveUp context.CancelFunc // nil until it runs. Guarded by attempts.mu

	mu       sync.Mutex // guards these three
	spare    *spare     // a second port for the next round
	spares   []*spare   // all
	searched bool       // a round was a search

	done chan struct{} // closed at the end, then one of these is set
	link *link
	err  error
}

// attempts is the attempts of a node, the running ones and those that ended last.
type attempts struct {
	mu      sync.Mutex
	byID    map[wire.AttemptID]*attempt
	order   []wire.AttemptID // oldest first
	running int
	early   map[wire.AttemptID]*spare // second ports of attempts that are still to be introduced
	closed  bool
}

// begin returns the attempt of an introduction, and whether it is new, so that the caller must run it. It returns nil
// if too many are running.
func (t *attempts) begin(intro rendezvous.Introduction) (a *attempt, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, ok := t.byID[intro.Attempt]; ok {
		return a, false
	}
	if t.running >= maxRunningAttempts {
		return nil, false
	}
	a = &attempt{
		id: intro.Attempt, peer: intro.Peer, role: intro.Role, introduced: intro.Received, behaves: intro.Behavior,
		observed: slices.Concat(intro.Observed, intro.Mapped), mapped: len(intro.Mapped) > 0,
		successor: intro.Beside, relayed: intro.Relayed,
		rounds: make(chan punch.Round, wire.MaxRounds), seen: intro.Round, done: make(chan struct{}),
	}
	if s := t.early[a.id]; s != nil {
		delete(t.early, a.id)
		a.keep(s)
	}
	if t.byID == nil {
		t.byID = map[wire.AttemptID]*attempt{}
	}
	t.byID[a.id] = a
	t.order = append(t.order, a.id)
	t.running++
	t.forget()
	return a, true
}

// forget drops the ended attempts that are too many. The caller holds mu.
func (t *attempts) forget() {
	for i := 0; len(t.order) > maxKnownAttempts && i < len(t.order); {
		a := t.byID[t.order[i]]
		select {
		case <-a.done:
			delete(t.byID, a.id)
			t.order = append(t.order[:i], t.order[i+1:]...)
		default:
			i++
		}
	}
}

// find returns the attempt with an id, nil if it is not known.
func (t *attempts) find(id wire.AttemptID) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// with is a running attempt with a peer; nil if there is none.
func (t *attempts) with(peer NodeID) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range t.order {
		if a := t.byID[id]; a.peer == peer && !a.isOver() {
			return a
		}
	}
	return nil
}

func (a *attempt) isOver() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// isWith notes who has called, in an attempt that nobody introduced.
func (t *attempts) isWith(a *attempt, peer NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.peer = peer
}

// wants tells whether a round is a further one of a running attempt. Those that are not newer than the last are repeats.
func (t *attempts) wants(a *attempt, round int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !a.over && round > a.seen
}

// next gives a running attempt its next round. The client's reading goroutine alone calls it.
func (t *attempts) next(a *attempt, round punch.Round) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !a.over {
		a.seen = round.Number
		a.rounds <- round // room for all rounds there can be
	}
}

// noMore notes that the server starts no further round of an attempt. One that is beside a carrier is given up where the peer has another
// connection to the server now, as after a change of its network: what it told before leads nowhere, and it is there to be asked again.
func (t *attempts) noMore(id wire.AttemptID, reason rendezvous.OverReason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.byID[id]
	if a == nil || a.over {
		return
	}
	a.over, a.gone = true, reason == rendezvous.OverPeerGone
	close(a.rounds)
	if a.successor && a.gone && a.giveUp != nil {
		a.giveUp()
	}
}

// leave gives a running attempt up.
func (t *attempts) leave(a *attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.giveUp != nil {
		a.giveUp()
	}
}

// supersede gives up the attempts with the peer of a new one that began before the peer came back to the server: they hold the ports that it dials.
func (t *attempts) supersede(ctx context.Context, by *attempt) {
	var ending []*attempt
	t.mu.Lock()
	for _, id := range t.order {
		if a := t.byID[id]; a != by && a.peer == by.peer && a.gone && a.giveUp != nil && !a.isOver() {
			a.giveUp()
			ending = append(ending, a)
		}
	}
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, supersedeTimeout)
	defer cancel()
	for _, a := range ending {
		select {
		case <-a.done:
		case <-ctx.Done():
		}
	}
}

// run gives a running attempt its context.
func (t *attempts) run(ctx context.Context, a *attempt) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	a.giveUp = cancel
	return ctx, cancel
}

// end publishes what became of an attempt.
func (t *attempts) end(a *attempt, l *link, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	a.link, a.err = l, err
	close(a.done)
}

// introduced starts an attempt, or its next round. The client calls it from its reading goroutine.
func (n *Node) introduced(intro rendezvous.Introduction) {
	if intro.Peer == n.id {
		n.log.Warn("introduction to this node itself passed over")
		return
	}
	if intro.Request == 0 && intro.Round == 1 && !n.calls.Allow() {
		n.log.Warn("introduction passed over", "peer", intro.Peer.Short(), "err", errTooManyCalls)
		return
	}
	a, isNew := n.attempts.begin(intro)
	if a == nil {
		n.log.Warn("introduction passed over", "peer", intro.Peer.Short(), "err", errTooManyAttempts)
		return
	}
	peer, err := n.open(intro.Peer, intro.Sealed, intro.NameTag)
	if err != nil && isNew {
		n.attempts.end(a, nil, err)
		n.log.Warn("introduction to a stranger passed over", "peer", intro.Peer.Short(), "err", err)
		return
	}
	if !isNew && !n.attempts.wants(a, intro.Round) {
		return
	}
	round := n.round(a, intro, peer)
	if !isNew {
		n.attempts.next(a, round)
		return
	}
	n.log.Info("introduced", "peer", peer.name, "observed", intro.Observed, "delay", intro.Delay)
	way := n.relayed(a, intro.Relay)
	if len(intro.Kept) > 0 {
		a.kept = &keptRelay{attempt: a.id.Kept(), token: intro.Kept}
	}
	if intro.Returning {
		n.tasks.Go(func() { n.attemptByRelay(a, way) })
		return
	}
	n.tasks.Go(func() { n.attempt(a, peer, round, way, intro.Deadline) })
}

// round decides which of a peer's addresses this node dials.
func (n *Node) round(a *attempt, intro rendezvous.Introduction, peer profile) punch.Round {
	if n.config.Relay == RelayAlways || intro.Relayed {
		return punch.Round{Number: intro.Round}
	}
	rules := n.rules(intro.Observed)
	dial, refused := rules.Select(gather.WithServer(peer.candidates, intro.Observed, intro.Mapped))
	for _, r := range refused {
		n.log.Debug("candidate not dialled", "peer", peer.name, "addr", r.Candidate.Addr, "why", r.Reason)
	}
	round := punch.Round{Number: intro.Round, Remotes: dial, Delay: intro.Delay}
	if s := a.take(intro.Fresh.IsValid()); s != nil {
		second, _ := rules.Select([]candidate.Candidate{{Type: candidate.ServerReflexive, Addr: intro.Fresh}})
		if len(second) == 1 {
			round.Second = punch.Second{Remote: second[0], Dial: s.port.Dial}
		}
	}
	part, way := n.part(intro)
	round.Guess = guess(part, way, intro, dial)
	if part.Sample && len(round.Guess.Remotes) > 0 {
		round.Remotes = withoutReflexive(dial)
	}
	if intro.Beside && round.Second.Dial != nil {
		round = apart(round)
	}
	if way == rounds.Search {
		a.mu.Lock()
		a.searched = true
		a.mu.Unlock()
	}
	return round
}

// apart has a round leave the usual port alone: what is dialled from there would meet the carrier that the session has. What the
// peer's networks let in from anywhere is dialled from ports of its own.
func apart(round punch.Round) punch.Round {
	if round.Guess.Ports == 0 && len(round.Guess.Remotes) == 0 {
		for _, remote := range round.Remotes {
			round.Guess.Remotes = append(round.Guess.Remotes, remote.Addr)
		}
		round.Guess.Apart = true
	}
	round.Remotes = nil
	return round
}

// noteSearch remembers that a search came to nothing.
func (n *Node) noteSearch(a *attempt) {
	a.mu.Lock()
	searched := a.searched
	a.mu.Unlock()
	if searched && n.ctx.Err() == nil {
		n.searches.fail(a.peer, time.Now())
	}
}

// keep takes a second port for the next round, and closes it at the end of the attempt.
func (a *attempt) keep(s *spare) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.done:
		s.close()
		return
	default:
	}
	a.spares = append(a.spares, s)
	a.spare = s
}

// take is the second port for the round that begins, nil if there is none, or the round is from the usual one.
func (a *attempt) take(fresh bool) *spare {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !fresh {
		return nil
	}
	s := a.spare
	a.spare = nil
	return s
}

// closeSpares closes all second ports.
func (a *attempt) closeSpares() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.spares {
		s.close()
	}
}

// attempt runs a until it has a link or has failed.
func (n *Node) attempt(a *attempt, peer profile, first punch.Round, way *punch.Relay, timeout time.Duration) {
	accepted, forget := n.acceptor.Expect(a.id)
	defer forget()
	defer a.closeSpares()
	n.attempts.supersede(n.ctx, a)
	if first.Second.Dial == nil && !a.successor {
		n.yield(a.peer, first)
	}
	ctx, cancel := n.attempts.run(n.ctx, a)
	defer cancel()
	if n.config.Relay == RelayAlways || a.relayed {
		accepted = nil
	}
	result, err := punch.Run(ctx, first, punch.Plan{
		Attempt:    a.id,
		Role:       punchRoles[a.role],
		Dial:       n.port.Dial,
		DialApart:  n.dialApart,
		Pace:       n.pace.Wait,
		Verify:     n.verify(a),
		Accepted:   accepted,
		Rounds:     a.rounds,
		Relay:      way,
		Report:     n.reporter(a),
		Background: n.tasks.Go,
		Timeout:    timeout,
	})
	if err != nil {
		n.relays.forget(a.id)
		n.noteSearch(a)
		n.finished(a, first.Number, rendezvous.NoCarrier)
		n.attempts.end(a, nil, n.withWhy(pathError(a.peer, err), a.behaves))
		n.log.Info("no direct path", "peer", peer.name, "err", err)
		return
	}
	carrier := rendezvous.RelayedCarrier
	if result.Remote.Type != candidate.Relayed {
		carrier = rendezvous.DirectCarrier
		n.relays.forget(a.id)
	}
	n.finished(a, result.Round, carrier)
	l, err := n.establish(a, peer, result)
	n.attempts.end(a, l, err)
}

// verify proves that a connection ends at the attempt's peer: mutual TLS, the dialer as client, the peer's key pinned.
func (n *Node) verify(a *attempt) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		config, err := identity.PeerConfig(n.config.Key, n.config.Invite.Room, a.peer)
		if err != nil {
			return nil, err
		}
		secure := record.ServerConn
		if a.role == rendezvous.Dialer {
			secure = record.ClientConn
		}
		secured, err := secure(ctx, conn, config)
		if err != nil {
			if other := (*punch.OtherAttemptError)(nil); errors.As(err, &other) {
				n.metComingBack(a, other.Attempt)
			}
			return nil, err
		}
		return secured, nil
	}
}

// reporter tells the server which candidates failed for good, so that it can start the next round.
func (n *Node) reporter(a *attempt) func(punch.Failure) {
	return func(f punch.Failure) {
		n.log.Debug("candidate failed", "peer", a.peer.Short(), "remote", f.Remote, "kind", f.Kind)
		err := n.client.Report(a.id, f.Round, []rendezvous.Failure{{Remote: f.Remote, Kind: reportedFailures[f.Kind]}})
		if err != nil {
			n.log.Debug("report not sent", "err", err)
		}
	}
}

func (n *Node) finished(a *attempt, round int, with rendezvous.Carrier) {
	if err := n.client.Finished(a.id, round, with); err != nil {
		n.log.Debug("end of attempt not told to the server", "err", err)
	}
}
