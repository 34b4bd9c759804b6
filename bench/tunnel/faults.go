package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A fault breaks the network under a tunnel.
type fault struct {
	name string
	do   func(*scene) error
}

// errNothing tells that a contestant has nothing that this fault could break.
var errNothing = errors.New("nothing to break")

// faults are those that are played. The NAT in front of near keeps ports, that in front of far gives new ones at random.
func faults() []fault {
	return []fault{
		{"server killed", func(s *scene) error { s.p.servers[s.c.maker].kill(); return nil }},
		{"NAT rebooted, same ports after", func(s *scene) error { return s.nearNAT.Reboot() }},
		{"NAT rebooted, other ports after", func(s *scene) error { return s.farNAT.Reboot() }},
		{"external address changed", func(s *scene) error { return s.nearNAT.SetAddr("198.51.100.200") }},
		{"link cut for 5 s", func(s *scene) error {
			s.lab.Cut(s.near)
			time.AfterFunc(5*time.Second, func() { s.lab.Restore(s.near) })
			return nil
		}},
		{"direct path cut, and not back", func(s *scene) error { return s.lab.CutBetween(s.near, s.far) }},
		{"reset of the path", (*scene).reset},
	}
}

// A scene is a tunnel that is about to break.
type scene struct {
	*site
	p *programs
	c contestant
}

// reset resets the TCP connection that carried a packet between the two last, in the name of either end.
func (s *scene) reset() error {
	flows := slices.DeleteFunc(s.lab.Flows(), func(f natlab.Flow) bool {
		return f.Network != "internet" || f.Protocol != "tcp" || f.From != s.nearNAT.Name() || f.To != s.farNAT.Name()
	})
	if len(flows) == 0 {
		return errNothing
	}
	newest := slices.MaxFunc(flows, func(x, y natlab.Flow) int { return cmp.Compare(x.Last.UnixNano(), y.Last.UnixNano()) })
	return s.lab.ResetBoth(newest.Src, newest.Dst)
}

// broken is what a fault did to a connection in use.
type broken struct {
	nothing bool          // there was nothing to break
	pause   time.Duration // from the fault until numbers came that were sent after it
	ended   time.Duration // until the connection was over instead; zero: it was not
	stuck   bool          // neither, for as long as anybody watched
	again   time.Duration // from the fault until a new connection gave a byte; negative: none did
}

// Bounds of what is watched after a fault.
const (
	watchFor = 75 * time.Second
	// stayFor is how long a connection that goes on has to do so.
	stayFor = 5 * time.Second
	// quiet is before a reset, which counts only if nothing is on the way.
	quiet = 300 * time.Millisecond
)

// compareFaults plays every fault under everybody, each in a lab of its own.
func compareFaults(ctx context.Context, p *programs, o options) error {
	r := &faultReport{contestants: without(func(c contestant) bool { return c.pairsOnly }, o.only), outcomes: map[string][]broken{}}
	defer r.print(os.Stdout)
	for run := range o.runs {
		for _, f := range faults() {
			if !wanted(f.name, o.pairs) {
				continue
			}
			for i := range r.contestants {
				c := r.contestants[(i+run)%len(r.contestants)]
				b, err := playFault(ctx, p, c, f)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, f.name, err)
				}
				fmt.Fprintf(os.Stderr, "%-10s %-34s %s\n", c.name, f.name, b)
				r.add(c, f, b)
			}
		}
	}
	return nil
}

// playFault opens a tunnel, has numbers go through it, and breaks it.
func playFault(ctx context.Context, p *programs, c contestant, f fault) (b broken, err error) {
	lab, server, sites, err := newLab([]pair{{f.name, behind(natlab.Linux()), behind(natlab.CarrierGrade())}})
	if err != nil {
		return b, err
	}
	defer lab.Close()
	defer p.stop()
	if err := p.serve(ctx, onHost(server)); err != nil {
		return b, err
	}
	s := &scene{sites[0], p, c}
	t, err := c.open(ctx, p, onHost(s.near), onHost(s.far))
	defer t.stop()
	s.entrance = t.entrance()
	if err != nil {
		return b, err
	}
	var o outcome
	conn, err := s.firstBytes(ctx, &o)
	if err != nil {
		return b, err
	}
	conn.Close()
	if conn, err = s.directOne(ctx); err != nil {
		return b, err
	}
	n := count(conn)
	defer n.stop()
	if err := pause(ctx, time.Second); err != nil {
		return b, err
	}
	n.held.Store(true)
	if err := pause(ctx, quiet); err != nil {
		return b, err
	}
	struck := time.Now()
	err = f.do(s)
	n.resume()
	if errors.Is(err, errNothing) {
		return broken{nothing: true}, nil
	}
	if err != nil {
		return b, err
	}
	s.watch(ctx, n, struck, &b)
	return b, nil
}

// directOne waits for a connection whose bytes go directly.
func (s *site) directOne(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	for {
		c, err := s.tryOnce(ctx)
		if err == nil {
			if direct, _ := s.goesDirectly(c); direct {
				return c, nil
			}
			c.Close()
		}
		if err := pause(ctx, again); err != nil {
			return nil, errors.New("no connection went directly")
		}
	}
}

// watch waits until the connection goes on or ends, and tries new ones meanwhile.
func (s *scene) watch(ctx context.Context, n *numbers, struck time.Time, b *broken) {
	ctx, cancel := context.WithTimeout(ctx, watchFor)
	defer cancel()
	tried := make(chan time.Duration, 1)
	go func() { tried <- s.tryAgain(ctx, struck) }()
	select {
	case <-n.cameAgain:
		b.pause = n.first.Sub(struck)
		select {
		case <-n.over: // it was only late to hear
			b.ended = time.Since(struck)
		case <-time.After(stayFor):
		}
	case <-n.over:
		b.ended = time.Since(struck)
	case <-ctx.Done():
		b.stuck = true
	}
	b.again = <-tried
}

// tryAgain connects until bytes come back, from half a second after the fault on.
func (s *scene) tryAgain(ctx context.Context, struck time.Time) time.Duration {
	if pause(ctx, 500*time.Millisecond) != nil {
		return -1
	}
	for ctx.Err() == nil {
		if conn, err := s.tryOnce(ctx); err == nil {
			conn.Close()
			return time.Since(struck)
		}
		pause(ctx, again)
	}
	return -1
}
