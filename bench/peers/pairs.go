package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// One-way delays, as in the tests of the library: dialler to server, callee to server, dialler to callee. The relay and the
// observers of go-libp2p are where the server is.
const (
	delayNear = 20 * time.Millisecond
	delayFar  = 30 * time.Millisecond
	delayPair = 25 * time.Millisecond
)

// Bounds of one run.
const (
	prepareLimit = 30 * time.Second // until both nodes are ready
	alone        = 2 * time.Second  // a dial has the machine to itself for so long
	dialLimit    = 45 * time.Second // three tries of DCUtR take 15 s, and a direct dial before them 10 s
	preparing    = 4                // runs that are prepared at once
)

// A site is where a node can be: a host, and the box it is behind.
type site struct {
	*natlab.Host
	box     box
	nat     *natlab.NAT // nil: on the internet itself
	outside netip.Addr  // what the internet sees of it
}

// A stage is the lab of all pairs: a server, and each box twice.
type stage struct {
	lab    *natlab.Lab
	server *natlab.Host
	near   map[string]*site
	far    map[string]*site
	known  libp2pNodeConfig
	invite bodkinInvite
	stops  []func()
}

// publicAddrs are the server's: one for Bodkin's, one for go-libp2p's relay, four for its observers.
var publicAddrs = [...]string{"203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14", "203.0.113.15"}

// newStage builds the lab and starts the servers. The caller must close it.
func newStage(ctx context.Context) (_ *stage, err error) {
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	s := &stage{lab: lab, near: map[string]*site{}, far: map[string]*site{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.server = lab.Host("server", natlab.At(publicAddrs[:]...))
	for _, b := range boxes() {
		s.near[b.name] = s.build(b, "near-"+b.name)
		s.far[b.name] = s.build(b, "far-"+b.name)
	}
	for _, near := range s.near {
		lab.SetDelay(near, s.server, delayNear)
		for _, far := range s.far {
			lab.SetDelay(far, s.server, delayFar)
			lab.SetDelay(near, far, delayPair)
		}
	}
	if err := lab.Err(); err != nil {
		return nil, err
	}
	return s, s.serve(ctx)
}

// build puts a host behind a box.
func (s *stage) build(b box, name string) *site {
	if b.put == nil {
		h := s.lab.Host(name)
		return &site{Host: h, box: b, outside: h.Addr()}
	}
	nat := b.put(s.lab, "nat-"+name)
	return &site{Host: nat.Host(name), box: b, nat: nat, outside: nat.Addr()}
}

// serve starts what is public.
func (s *stage) serve(ctx context.Context) error {
	rendezvous, err := startRole(ctx, s.server, "bodkin-server", bodkinServerConfig{Address: publicAddrs[0]})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, rendezvous.stop)
	others, err := startRole(ctx, s.server, "libp2p-public", libp2pPublicConfig{Relay: publicAddrs[1], Observers: publicAddrs[2:]})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, others.stop)
	ctx, cancel := context.WithTimeout(ctx, prepareLimit)
	defer cancel()
	if _, err := rendezvous.await(ctx, evReady, &s.invite); err != nil {
		return err
	}
	_, err = others.await(ctx, evReady, &s.known)
	return err
}

func (s *stage) close() {
	for _, stop := range s.stops {
		stop()
	}
	s.lab.Close()
}

// runPairs plays all runs, group by group and in each group one system after the other, so that what the machine does
// meanwhile hits both.
func runPairs(ctx context.Context, o options, r *report) error {
	chosen, err := choosePairs(boxes(), o.pairs)
	if err != nil || o.runs == 0 {
		return err
	}
	systems, err := chooseSystems(o.systems)
	if err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	groups := disjoint(chosen)
	for run := range o.runs {
		for i, group := range groups {
			for _, system := range rotate(systems, run+i) {
				outcomes := s.play(ctx, system, group, run)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				r.add(outcomes, o.verbose)
			}
			fmt.Fprintf(os.Stderr, "run %d of %d, group %d of %d, %v\n", run+1, o.runs, i+1, len(groups), time.Since(r.Began).Round(time.Second))
		}
	}
	return nil
}

// disjoint splits pairs, in the order they are in, into groups in which no host is used twice.
func disjoint(pairs []pair) [][]pair {
	var groups [][]pair
	near, far := map[string]bool{}, map[string]bool{}
	for _, p := range pairs {
		if len(groups) == 0 || near[p.near] || far[p.far] {
			groups = append(groups, nil)
			clear(near)
			clear(far)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], p)
		near[p.near], far[p.far] = true, true
	}
	return groups
}

// rotate begins a list at another place.
func rotate[T any](list []T, by int) []T {
	by %= len(list)
	return append(append([]T(nil), list[by:]...), list[:by]...)
}

// play runs one system through pairs that share no host. Nodes are prepared several at a time; then each pair dials with
// the machine to itself, unless it takes so long that it is waiting anyway.
func (s *stage) play(ctx context.Context, system system, pairs []pair, run int) []outcome {
	runs := make([]*attempt, len(pairs))
	var work sync.WaitGroup
	room := make(chan struct{}, preparing)
	for i, p := range pairs {
		runs[i] = &attempt{stage: s, near: s.near[p.near], far: s.far[p.far]}
		runs[i].outcome = outcome{System: system.name, Near: p.near, Far: p.far, Run: run}
		work.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			runs[i].prepare(ctx, system)
		})
	}
	work.Wait()
	for _, a := range runs {
		quiet := time.NewTimer(alone)
		done := make(chan struct{})
		work.Go(func() {
			defer close(done)
			a.dial(ctx)
		})
		select {
		case <-done:
		case <-quiet.C:
		}
		quiet.Stop()
	}
	work.Wait()
	outcomes := make([]outcome, len(runs))
	for i, a := range runs {
		work.Go(a.stop)
		outcomes[i] = a.outcome
	}
	work.Wait()
	return outcomes
}

// An attempt is one system's run of one pair.
type attempt struct {
	stage        *stage
	near, far    *site
	caller       *process
	callee       *process
	target       dialTarget
	outcome      outcome
	preparations error
}

// prepare starts both nodes with NATs that remember nothing, and waits until they are ready.
func (a *attempt) prepare(ctx context.Context, system system) {
	limited, cancel := context.WithTimeout(ctx, prepareLimit)
	defer cancel()
	a.preparations = func() (err error) {
		for _, site := range []*site{a.near, a.far} {
			if site.nat != nil {
				if err := site.nat.Reboot(); err != nil {
					return err
				}
			}
		}
		if a.callee, err = startRole(ctx, a.far.Host, system.role, system.config(a.stage, a.far, a.outcome.Run)); err != nil {
			return err
		}
		if a.caller, err = startRole(ctx, a.near.Host, system.role, system.config(a.stage, a.near, a.outcome.Run)); err != nil {
			return err
		}
		if _, err = a.callee.await(limited, evReady, &a.target); err != nil {
			return err
		}
		_, err = a.caller.await(limited, evReady, nil)
		return err
	}()
}

// dial lets the caller dial, and follows both until there is a direct connection or nobody tries any more.
func (a *attempt) dial(ctx context.Context) {
	if a.preparations != nil {
		a.outcome.Reason = "not ready: " + a.preparations.Error()
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialLimit, errors.New("no direct connection within the limit"))
	defer cancel()
	before := a.syns()
	if err := a.caller.order(a.target); err != nil {
		a.outcome.Reason = err.Error()
		return
	}
	var w watch
	for !w.over {
		select {
		case e, ok := <-a.caller.events:
			w.caller(e, ok)
		case e, ok := <-a.callee.events:
			w.callee(e, ok)
		case <-ctx.Done():
			w.end(context.Cause(ctx).Error())
		}
	}
	w.judge(&a.outcome)
	a.outcome.SYNs, a.outcome.Strangers = a.synsSince(before)
}

// syns are all SYNs of the two so far, by destination.
func (a *attempt) syns() map[netip.AddrPort]int64 {
	sum := map[netip.AddrPort]int64{}
	all := a.stage.lab.SYNs()
	for _, from := range []netip.Addr{a.near.outside, a.far.outside} {
		for to, n := range all[from] {
			sum[to] += n
		}
	}
	return sum
}

// synsSince counts SYNs, and how many of them went to addresses that are neither of the two nor the server's.
func (a *attempt) synsSince(before map[netip.AddrPort]int64) (all, strangers int64) {
	for to, n := range a.syns() {
		n -= before[to]
		all += n
		known := to.Addr() == a.near.outside || to.Addr() == a.far.outside
		for _, server := range a.stage.server.Addrs() {
			known = known || to.Addr() == server
		}
		if !known {
			strangers += n
		}
	}
	return all, strangers
}

func (a *attempt) stop() {
	a.caller.stop()
	a.callee.stop()
}
