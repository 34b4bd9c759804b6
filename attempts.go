package bodkin

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Limits on what a server can make a node do: an introduction costs up to six SYNs a round.
const (
	maxRunningAttempts = 64
	maxKnownAttempts   = 256 // running and ended ones; an ended one is kept so that its id cannot start it again
)

// supersedeTimeout is how long a new attempt waits for one that it supersedes, which may just have a connection.
const supersedeTimeout = 100 * time.Millisecond

var errTooManyAttempts = errors.New("bodkin: too many attempts at once")

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
