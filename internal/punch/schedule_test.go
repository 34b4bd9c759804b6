package punch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// TestNoScheduleLeaksAConnectionOrSplitsTheTwoSides runs 3,000 attempts of two sides, with their acceptors and a
// server that answers reports with rounds, over random networks: paths that meet, that only one side can open, that
// refuse, that end at strangers. In a third of them connections are cut, and in another third a side gives up.
func TestNoScheduleLeaksAConnectionOrSplitsTheTwoSides(t *testing.T) {
	direct := 0
	for seed := range uint64(3000) {
		synctest.Test(t, func(t *testing.T) {
			if playSchedule(t, seed) {
				direct++
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if direct < 1500 || direct > 2800 {
		t.Errorf("%d of 3000 schedules ended in a connection: they test one outcome only", direct)
	}
}

// disturbance is what goes wrong in a schedule besides the paths.
type disturbance uint8

const (
	undisturbed disturbance = iota
	cuts                    // connections die at any time
	givesUp                 // a side is cancelled at any time
)

func playSchedule(t *testing.T, seed uint64) bool {
	s := &schedule{rand: rand.New(rand.NewPCG(seed, 0)), disturbance: disturbance(seed % 3)}
	if seed%2 == 0 {
		s.background = s.lingering.Go
	}
	for i := range 1 + s.rand.IntN(4) {
		s.paths = append(s.paths, s.randomPath(i))
	}
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var out [2]outcome
	for i := range s.sides {
		side := &s.sides[i]
		side.arrivals = make(arrivals)
		side.rounds = make(chan Round, wire.MaxRounds)
		work.Go(func() { side.acceptor.Serve(ctx, side.arrivals) })
	}
	var runs sync.WaitGroup
	for i := range s.sides {
		late, patience := s.random(0, 40), s.random(0, 300)
		runs.Go(func() {
			runCtx, cancel := context.WithCancel(ctx)
			defer cancel()
			if s.disturbance == givesUp && i == int(seed/3%2) {
				time.AfterFunc(patience, cancel)
			}
			time.Sleep(late)
			out[i] = s.run(runCtx, i)
		})
	}
	runs.Wait()
	s.lingering.Wait()
	stop()
	for i := range s.sides {
		close(s.sides[i].arrivals)
	}
	work.Wait()
	time.Sleep(time.Minute) // cuts and strangers are done
	s.strangers.Wait()
	return s.check(t, out)
}

// schedule is two sides and what is between them.
type schedule struct {
	mu          sync.Mutex // guards rand and asked
	rand        *rand.Rand
	asked       int // the newest round
	disturbance disturbance
	net         memNet
	paths       []*path
	sides       [2]struct {
		acceptor Acceptor
		arrivals arrivals
		rounds   chan Round
	}
	server    sync.Mutex
	strangers sync.WaitGroup

	background func(task func()) // lingering.Go, or nil
	lingering  sync.WaitGroup
}

// random is a time between low and high milliseconds.
func (s *schedule) random(low, high int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(low)*time.Millisecond + time.Duration(s.rand.IntN((high-low)*1000+1))*time.Microsecond
}

func (s *schedule) run(ctx context.Context, i int) outcome {
	accepted, forget := s.sides[i].acceptor.Expect(testAttempt)
	defer forget()
	role := Dialer + Role(i)
	result, err := Run(ctx, s.round(1), Plan{
		Attempt: testAttempt, Role: role, Verify: proveWith(role, 7), Accepted: accepted, Rounds: s.sides[i].rounds,
		Dial:       func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) { return s.dial(ctx, i, remote) },
		Report:     func(f Failure) { s.report(f.Round) },
		Background: s.background,
	})
	return outcome{result, err}
}

// round is a round with all paths. Both sides know a path by the same address.
func (s *schedule) round(number int) Round {
	r := Round{Number: number, Delay: s.random(0, 10)}
	for _, p := range s.paths {
		r.Remotes = append(r.Remotes, p.remote())
	}
	return r
}

// report is the server: the first report of a round starts the next one, on both sides.
func (s *schedule) report(round int) {
	s.mu.Lock()
	isNews := round > s.asked
	s.asked = max(s.asked, round)
	s.mu.Unlock()
	if !isNews {
		return
	}
	time.AfterFunc(s.random(5, 60), func() {
		s.server.Lock() // until both sides are told
		defer s.server.Unlock()
		for i := range s.sides {
			if round == wire.MaxRounds {
				close(s.sides[i].rounds)
			} else {
				s.sides[i].rounds <- s.round(round + 1)
			}
		}
	})
}

// arrivals is an acceptor's listener.
type arrivals chan net.Conn

func (a arrivals) Accept() (net.Conn, error) {
	c, ok := <-a
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// A path is what a remote leads to.
type path struct {
	kind  string
	index int

	mu       sync.Mutex
	meetings []*appointment // one for each time both sides dial
	dials    [2]int
}

var pathKinds = []string{
	"meets", "meets", "meets", "accepts", "accepts", "refuses", "refuses at first", "is silent",
	"leads to a stranger who is silent", "leads to a stranger who closes", "leads to a stranger who babbles",
	"leads to a stranger who knows the attempt",
}

func (s *schedule) randomPath(i int) *path {
	return &path{kind: pathKinds[s.rand.IntN(len(pathKinds))], index: i}
}

func (p *path) remote() candidate.Candidate { return remote(string(rune('a' + p.index))) }

// appointment is a simultaneous open: each side's connection opens some time after both have dialled.
type appointment struct {
	here [2]chan struct{} // closed when that side dials
	ends [2]net.Conn
}

// dial is a side's dial to a remote.
func (s *schedule) dial(ctx context.Context, side int, remote netip.AddrPort) (net.Conn, error) {
	p := s.paths[remote.Addr().As4()[3]-'a']
	p.mu.Lock()
	n := p.dials[side]
	p.dials[side]++
	for len(p.meetings) <= n {
		x, y := s.net.pair(remote, remote, s.random(0, 60))
		p.meetings = append(p.meetings, &appointment{[2]chan struct{}{make(chan struct{}), make(chan struct{})}, [2]net.Conn{x, y}})
	}
	m := p.meetings[n]
	p.mu.Unlock()
	opens := s.random(0, 80)
	switch {
	case p.kind == "meets", p.kind == "refuses at first" && n > 0:
		return s.meet(ctx, m, side, opens)
	case p.kind == "refuses", p.kind == "refuses at first":
		return after(opens, nil, errnoRefused)(ctx)
	case p.kind == "accepts" && side == p.index%2:
		return s.arrive(ctx, side, remote, opens)
	case p.kind == "is silent", p.kind == "accepts":
		return silence(ctx)
	}
	mine, its := s.net.pair(remote, remote, s.random(0, 20))
	s.behaveAsStranger(p.kind, its)
	return after(opens, mine, nil)(ctx)
}

// meet is one side of a simultaneous open. If it goes away before its connection is open, the other side's dies.
func (s *schedule) meet(ctx context.Context, m *appointment, side int, opens time.Duration) (net.Conn, error) {
	close(m.here[side])
	select {
	case <-m.here[1-side]:
	case <-ctx.Done():
		m.ends[side].Close()
		return nil, ctx.Err()
	}
	s.maybeCut(m.ends[side])
	return after(opens, m.ends[side], nil)(ctx)
}

// arrive is a dial that the other side's listener answers.
func (s *schedule) arrive(ctx context.Context, side int, remote netip.AddrPort, opens time.Duration) (net.Conn, error) {
	mine, its := s.net.pair(remote, remote, s.random(0, 60))
	conn, err := after(opens, mine, nil)(ctx)
	if err != nil {
		its.Close()
		return nil, err
	}
	s.maybeCut(mine)
	select {
	case s.sides[1-side].arrivals <- its:
		return conn, nil
	case <-ctx.Done():
		mine.Close()
		its.Close()
		return nil, ctx.Err()
	}
}

func (s *schedule) maybeCut(end net.Conn) {
	if s.disturbance != cuts {
		return
	}
	time.AfterFunc(s.random(0, 1000), func() { end.Close() })
}

func (s *schedule) behaveAsStranger(kind string, c *memConn) {
	s.strangers.Go(func() {
		switch kind {
		case "leads to a stranger who closes":
		case "leads to a stranger who babbles":
			fmt.Fprint(c, "220 mail.example.net ESMTP\r\n")
		case "leads to a stranger who knows the attempt":
			c.Write(append(wire.Preface{Attempt: testAttempt}.Append(nil), 99, 99, 99))
		}
		if kind != "leads to a stranger who closes" {
			time.Sleep(10 * time.Second)
		}
		c.Close()
	})
}

// check looks at what is left: one connection or none, and the same one at both ends.
func (s *schedule) check(t *testing.T, out [2]outcome) bool {
	var kept []net.Conn
	for i, o := range out {
		var failure *Error
		switch {
		case o.err == nil:
			kept = append(kept, o.result.Socket)
		case !errors.As(o.err, &failure):
			t.Errorf("side %d: %v is no *Error", i, o.err)
		case failure.SYNs > MaxSYNs:
			t.Errorf("side %d: %d SYNs", i, failure.SYNs)
		}
	}
	s.closeUnused()
	if open := s.net.stillOpen(kept...); len(open) > 0 {
		t.Errorf("%d connections left open, the first to %v", len(open), open[0].RemoteAddr())
	}
	if out[0].err == nil && out[1].err == nil {
		if s.disturbance != cuts {
			exchange(t, out[0].result.Conn, out[1].result.Conn)
		}
		return true
	}
	// A callee never has a connection that the dialer does not have; the other way round only if it went wrong after
	// the dialer's last word.
	if s.disturbance == undisturbed && len(kept) > 0 {
		t.Errorf("the sides differ: dialer %v, callee %v", out[0].err, out[1].err)
	}
	return false
}

// closeUnused closes the ends of appointments that nobody kept: they were never connections.
func (s *schedule) closeUnused() {
	for _, p := range s.paths {
		for _, m := range p.meetings {
			for side, here := range m.here {
				select {
				case <-here:
				default:
					m.ends[side].Close()
				}
			}
		}
	}
}
