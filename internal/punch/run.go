package punch

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Run makes one attempt and returns the connection that both sides keep, or an *[Error] that lists every try. It
// blocks until then. Cancelling ctx ends it at once; the connection that it has returned is not affected. Everything
// else that it opened or accepted is closed, and every goroutine has ended, when it returns, or when the task ends that
// it gave to Plan.Background.
func Run(ctx context.Context, first Round, p Plan) (*Result, error) {
	a := &attempt{
		plan:    p,
		machine: machine{role: p.Role, relay: fallbackOf(p.Relay)},
		links:   make(map[int]*link),
		proven:  make(map[int]net.Conn),
		answers: make(chan answer),
		started: time.Now(),
	}
	a.machine.began[0] = a.started
	working, stop := context.WithCancel(ctx)
	rounds := make(chan Round)
	a.workers.Go(func() { holdRounds(working, first, p.Rounds, rounds) })
	timeout := time.NewTimer(p.length())
	defer timeout.Stop()

	alarm := time.NewTimer(p.length())
	defer alarm.Stop()

	for !a.machine.over {
		var due <-chan time.Time
		if at, ok := a.machine.wake(); ok {
			alarm.Reset(time.Until(at))
			due = alarm.C
		}
		select {
		case <-due:
			a.act(working, a.machine.tick(time.Now()))
		case r, ok := <-rounds:
			if ok {
				a.begin(working, r)
			} else {
				rounds = nil
				a.act(working, a.machine.noMoreRounds(time.Now()))
			}
		case c := <-p.Accepted:
			a.accept(working, c)
		case answer := <-a.answers:
			a.take(working, answer)
		case <-timeout.C:
			a.act(working, a.machine.expire(time.Now()))
		case <-ctx.Done():
			a.act(working, a.machine.cancel(time.Now(), context.Cause(ctx)))
		}
	}
	if a.machine.cause != nil && ctx.Err() != nil {
		a.machine.cause = context.Cause(ctx) // it may have shown first as dials that ended
	}
	result, err := a.outcome()
	settle := func() {
		a.act(working, a.machine.settle())
		stop() // ends the dials
		a.drain(working)
	}
	if err == nil && p.Background != nil {
		p.Background(func() {
			a.linger(working)
			settle()
		})
	} else {
		settle()
	}
	return result, err
}

// attempt is the shell around the machine. Only the goroutine of Run touches it; the others send answers.
type attempt struct {
	plan    Plan
	machine machine
	rounds  [wire.MaxRounds + 1]Round
	links   map[int]*link    // by try; all that opened
	proven  map[int]net.Conn // by try; what Verify made of it
	answers chan answer
	workers sync.WaitGroup
	pending int          // actions without an answer
	sent    atomic.Int32 // dials that left
	started time.Time
}

// answer is what came of an action.
type answer struct {
	to   verb
	try  int
	conn net.Conn // of dial and verify
	err  error
	at   time.Time
}

// holdRounds hands each round on when its delay is over, one after the other, and closes due after the last.
func holdRounds(ctx context.Context, first Round, further <-chan Round, due chan<- Round) {
	for r, ok := first, true; ok; {
		select {
		case <-time.After(r.Delay):
		case <-ctx.Done():
			return
		}
		select {
		case due <- r:
		case <-ctx.Done():
			return
		}
		select {
		case r, ok = <-further:
		case <-ctx.Done():
			return
		}
	}
	close(due)
}

// act does what the machine decided, in its order.
func (a *attempt) act(ctx context.Context, do []action) {
	for _, action := range do {
		i, t := action.try, a.machine.tries[action.try]
		switch action.verb {
		case dial:
			a.start(i, dial, a.opening(ctx, t))
		case verify:
			l, timeout := a.links[i], verifyTimeout
			if t.isRelayed() {
				timeout = relayTimeout
			}
			a.start(i, verify, func() (net.Conn, error) { return l.verify(ctx, timeout, a.plan.Verify) })
		case nominate:
			conn := a.proven[i]
			a.start(i, nominate, func() (net.Conn, error) { return nil, a.nominate(conn) })
		case abort:
			_ = a.links[i].Close() // nothing can be done about an error, nor does it matter to anybody
		case retire:
			a.links[i].keep()
			_ = a.links[i].Close()
		case report:
			if a.plan.Report != nil {
				a.plan.Report(action.failure)
			}
		}
	}
}

// begin gives a round to the machine.
func (a *attempt) begin(ctx context.Context, r Round) {
	if a.plan.DialApart == nil {
		r.Guess.Ports, r.Guess.Apart = 0, false
	}
	if r.Number > a.machine.round && r.Number <= wire.MaxRounds {
		a.rounds[r.Number] = r
	}
	a.act(ctx, a.machine.start(time.Now(), r))
}

// start runs one action in a goroutine of its own, which ends with its answer.
func (a *attempt) start(i int, to verb, work func() (net.Conn, error)) {
	a.pending++
	a.workers.Go(func() {
		conn, err := work()
		a.answers <- answer{to: to, try: i, conn: conn, err: err, at: time.Now()}
	})
}

// nominate does this role's part of the nomination.
func (a *attempt) nominate(conn net.Conn) error {
	if a.plan.Role == Dialer {
		return writeNomination(conn, a.plan.Attempt)
	}
	return readNomination(conn, a.plan.Attempt)
}

// take gives an answer to the machine, with the connection in its place before anything is done about it.
func (a *attempt) take(ctx context.Context, w answer) {
	a.pending--
	var do []action
	switch w.to {
	case dial:
		if w.err == nil {
			a.links[w.try] = newLink(w.conn, a.plan.Attempt, false)
		}
		do = a.machine.dialed(w.at, w.try, w.err)
	case verify:
		a.proven[w.try] = w.conn
		do = a.machine.checked(w.at, w.try, w.err)
	case nominate:
		do = a.machine.nominated(w.at, w.try, w.err)
	}
	a.act(ctx, do)
}

// accept gives an inbound connection to the machine.
func (a *attempt) accept(ctx context.Context, c net.Conn) {
	l := newLink(c, a.plan.Attempt, true)
	i, do, ok := a.machine.accept(time.Now(), remoteAddr(c))
	if !ok {
		_ = l.Close()
		return
	}
	a.links[i] = l
	a.act(ctx, do)
}

// linger gives what is left after the nomination the time to come to its end by itself.
func (a *attempt) linger(ctx context.Context) {
	timeout := time.NewTimer(lingerTime)
	defer timeout.Stop()
	for a.pending > 0 {
		select {
		case w := <-a.answers:
			a.take(ctx, w)
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// drain takes the answers of what is still under way; the machine closes what opens now.
func (a *attempt) drain(ctx context.Context) {
	go func() {
		a.workers.Wait()
		close(a.answers)
	}()
	for w := range a.answers {
		a.take(ctx, w)
	}
}

// outcome is what Run returns.
func (a *attempt) outcome() (*Result, error) {
	m := &a.machine
	tries := summary(m.tries)
	if m.cause != nil {
		return nil, &Error{Tries: tries, SYNs: int(a.sent.Load()), Rounds: m.round, Cause: m.cause}
	}
	winner, l := m.tries[m.winner], a.links[m.winner]
	l.keep()
	result := &Result{
		Conn: a.proven[m.winner], Socket: l.Conn,
		Remote: winner.Remote, Accepted: winner.Accepted, Round: winner.Round, Rounds: m.round,
		SYNs: int(a.sent.Load()), Tries: tries,
		Started: a.started, Connected: winner.opened, Verified: winner.verified, Nominated: winner.Ended,
	}
	for _, t := range tries {
		if !t.Accepted && t.Remote.Type != candidate.Relayed {
			result.FirstSYN = t.Started
			break
		}
	}
	return result, nil
}

// remoteAddr is the address at the other end of c, an IPv4 one in its own form; zero if it has none of that kind.
func remoteAddr(c net.Conn) netip.AddrPort {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	addr := tcp.AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
