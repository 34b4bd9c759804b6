package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// Bounds of one run.
const (
	joinLimit   = 30 * time.Second
	settleLimit = 10 * time.Second // until a node knows the networks in front of it
	dialLimit   = 20 * time.Second // an attempt is over after 10 s
	moveLimit   = 45 * time.Second // a direct path is looked for again after 10 s, then after 20 more
)

// A run is what came of one dial. Times are in milliseconds.
type run struct {
	Near      string  `json:"dialer"`
	Far       string  `json:"callee"`
	Path      string  `json:"path"` // direct, relayed, or nothing
	Candidate string  `json:"candidate,omitempty"`
	FirstMS   float64 `json:"first_ms,omitempty"`  // until the first protected byte could be sent
	AnswerMS  float64 `json:"answer_ms,omitempty"` // until an answer of the peer was there
	MovedMS   float64 `json:"moved_ms,omitempty"`  // until the session, relayed at first, was on a direct path
	Rounds    int     `json:"rounds,omitempty"`
	NearSYNs  int64   `json:"dialer_syns"` // to the peer
	FarSYNs   int64   `json:"callee_syns"`
	Strangers int64   `json:"stranger_syns"`
	StallMS   float64 `json:"stall_ms"` // how long the machine stood still at most
	Marked    bool    `json:"marked,omitempty"`
	Err       string  `json:"error,omitempty"`
}

// play runs one dial between fresh nodes.
func (s *stage) play(ctx context.Context, p pair, o options, c *clock, log io.Writer) run {
	s.played++
	r := run{Near: p.near.name, Far: p.far.name}
	if err := s.playInto(ctx, &r, p, o, c, log); err != nil {
		r.Err = err.Error()
	}
	r.Marked = r.StallMS > ms(o.stall)
	return r
}

func (s *stage) playInto(ctx context.Context, r *run, p pair, o options, c *clock, log io.Writer) error {
	if err := s.forget(); err != nil {
		return err
	}
	s.lab.ResetFlows()
	nodes, err := s.join(ctx, o, log)
	defer nodes.close()
	if err != nil {
		return err
	}
	joined := s.lab.Flows()
	before, beforeFar := count(joined, s.near, s.far), count(joined, s.far, s.near)

	limited, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	w, began := c.start(), time.Now()
	ping, err := nodes.dialer.Ping(limited, nodes.callee.Name())
	r.AnswerMS = ms(time.Since(began))
	r.StallMS = ms(w.stop())

	if err == nil && ping.Path.Kind == bodkin.Relayed && o.lossy() && p.theory().Prospect == certain {
		r.MovedMS = ms(awaitDirect(ctx, nodes, began))
	}
	nodes.close()
	flows := s.lab.Flows()
	near, far := count(flows, s.near, s.far), count(flows, s.far, s.near)
	r.NearSYNs, r.FarSYNs = near.Peer-before.Peer, far.Peer-beforeFar.Peer
	r.Strangers = near.strange() + far.strange()
	if r.Strangers > 0 && log != nil {
		fmt.Fprintln(log, "strangers of the dialer:", near.Strangers, "of the callee:", far.Strangers)
	}
	if err != nil {
		r.AnswerMS = 0
		return err
	}
	r.Path, r.Candidate = ping.Path.Kind.String(), ping.Path.Candidate
	r.FirstMS, r.Rounds = ms(ping.Timing.Secured), ping.Timing.Rounds
	return s.checkPath(ping.Path)
}

// awaitDirect waits until the session of two nodes, which began at the relay, is direct, and tells when; zero if it stays there.
func awaitDirect(ctx context.Context, n nodes, began time.Time) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, moveLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0
		}
		if ping, err := n.dialer.Ping(ctx, n.callee.Name()); err == nil && ping.Path.Kind == bodkin.Direct {
			return time.Since(began)
		}
	}
}

// checkPath makes sure that a direct path leads to the peer's network, and a relayed one to the server.
func (s *stage) checkPath(path bodkin.Path) error {
	remote := path.Remote.Addr()
	peer := append(s.far.seen(), s.far.Addrs()...)
	if direct := path.Kind == bodkin.Direct; direct != slices.Contains(peer, remote) {
		return fmt.Errorf("path %v to %v", path.Kind, remote)
	}
	return nil
}

// nodes are the two of a run.
type nodes struct{ dialer, callee *bodkin.Node }

// join makes both nodes at once and waits until they know their NATs. What it returns must be closed, also with an error.
func (s *stage) join(ctx context.Context, o options, log io.Writer) (nodes, error) {
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	var n nodes
	var failures [2]error
	var work sync.WaitGroup
	for i, who := range []struct {
		name string
		at   site
		node **bodkin.Node
	}{{"ada", s.near, &n.dialer}, {"ben", s.far, &n.callee}} {
		work.Go(func() {
			// A name of its own in each run: the server may not have heard yet that the node before has left.
			config := bodkin.Config{Invite: s.invite, Name: fmt.Sprintf("%s-%d", who.name, s.played), Within: who.at.Do, Patient: true, Search: o.Search}
			if o.DirectOnly {
				config.Relay = bodkin.RelayNever
			}
			if log != nil {
				handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
				config.Log = slog.New(handler).With("node", who.name)
			}
			var err error
			if *who.node, err = bodkin.Join(ctx, config); err == nil {
				err = settle(ctx, *who.node, o.Mapped && who.name == "ada")
			}
			if err != nil {
				failures[i] = fmt.Errorf("join of %s: %w", who.name, err)
			}
		})
	}
	work.Wait()
	return n, errors.Join(failures[:]...)
}

// settle waits until a node has measured the networks in front of it, or for so long that it would be dialled without.
func settle(ctx context.Context, node *bodkin.Node, mapped bool) error {
	deadline := time.Now().Add(settleLimit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status := node.Status()
		if status.Measured && (!mapped || status.PortMapping.Proven) {
			return nil
		}
		if time.Now().After(deadline) {
			if mapped {
				return fmt.Errorf("the port is not mapped: %+v", status.PortMapping)
			}
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close closes both nodes, once.
func (n *nodes) close() {
	var work sync.WaitGroup
	for _, node := range []**bodkin.Node{&n.dialer, &n.callee} {
		if *node != nil {
			work.Go(func() { (*node).Close() })
		}
	}
	work.Wait()
	n.dialer, n.callee = nil, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
