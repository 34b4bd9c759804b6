package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/bodkin-p2p/bodkin"
)

const (
	// expected is about how long a fault takes with the rest before it: writers are paced by it.
	expected = 20 * time.Second
	// around is what counts before a better path was announced: one end moves before the other.
	around = 200 * time.Millisecond
)

// A session is the transfer at work on a stage.
type session struct {
	*stage
	flows [2]*flow // from a to b, from b to a
	size  int64
	rest  time.Duration // before each fault

	faults int
	left   atomic.Int64 // of them, that are not over
}

// run plays the faults, and compares what came with what was sent.
func run(ctx context.Context, o options, progress io.Writer) (*report, error) {
	faults, err := chosen(o.only)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if o.log != "" {
		file, err := os.Create(o.log)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		log = slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	st, err := newStage(ctx, log)
	if err != nil {
		return nil, err
	}
	defer st.close()
	s := &session{stage: st, size: int64(o.size) << 20, rest: o.rest, faults: o.rounds * len(faults)}
	s.left.Store(int64(s.faults))
	r := &report{size: s.size}
	began := time.Now()
	end := s.start()
	for round := range o.rounds {
		for i, f := range faults {
			s.left.Store(int64(s.faults - round*len(faults) - i))
			line, err := s.play(ctx, f)
			if err != nil {
				s.stop()
				end()
				return r, fmt.Errorf("round %d, %s: %w", round+1, f.name, err)
			}
			fmt.Fprintln(progress, line)
			r.lines = append(r.lines, line)
		}
	}
	err = end()
	r.took, r.repeated = time.Since(began), [2]uint64{s.ends[0].Stats().Repeated, s.ends[1].Stats().Repeated}
	if err == nil {
		r.hashes = [2][]byte{s.flows[0].came[:], s.flows[1].came[:]}
	}
	return r, err
}

// start has the bytes flow both ways, at a pace. The returned function lets what is left go as it can, and waits for it.
func (s *session) start() (end func() error) {
	var work sync.WaitGroup
	hurry := make(chan struct{})
	for i := range s.flows {
		f := newFlow(s.size)
		s.flows[i] = f
		work.Go(func() { f.write(s.ends[i], uint64(i)) })
		work.Go(func() { f.take(s.ends[1-i]) })
	}
	s.setPace()
	work.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.setPace()
			case <-hurry:
				for _, f := range s.flows {
					f.pace.SetLimit(rate.Inf)
				}
				return
			}
		}
	})
	return func() error {
		close(hurry)
		work.Wait()
		for i, f := range s.flows {
			if err := f.verdict(); err != nil {
				return fmt.Errorf("direction %d: %w", i+1, err)
			}
		}
		return nil
	}
}

// setPace lets the writers write, in the time that a fault takes, their share of what they have left: however long one takes, something is
// left for the others. They never write faster than at first, or those that come last would meet a path that is full.
func (s *session) setPace() {
	for _, f := range s.flows {
		share := float64(f.size-f.written.Load()) / float64(s.left.Load()+1)
		first := float64(f.size) / float64(s.faults+1)
		f.pace.SetLimit(rate.Limit(min(share, first) / expected.Seconds()))
	}
}

// stop ends the flows where they are.
func (s *session) stop() {
	for _, end := range s.ends {
		end.Abort()
	}
}

// play has one fault strike, and waits until bytes flow by the path that is to be there in the end.
func (s *session) play(ctx context.Context, f fault) (line, error) {
	for _, flow := range s.flows {
		flow.gaps.forget()
	}
	if err := pause(ctx, s.rest); err != nil {
		return line{}, err
	}
	l := line{name: f.name, planned: f.planned, before: s.kind()}
	struck, err := f.do(ctx, s)
	if err != nil {
		return l, err
	}
	if err := s.goesOn(ctx, f.until); err != nil {
		return l, err
	}
	l.after = s.kind()
	at := s.paths.detected(struck)
	if l.improved() {
		at = s.paths.since(struck)
	}
	if !at.IsZero() {
		l.detected, l.wasDetected = at.Sub(struck), true
		if found := s.paths.found(at); !found.IsZero() {
			l.found = found.Sub(at)
		}
	}
	l.rtt = roundTrip(l.after)
	if l.improved() {
		struck = struck.Add(l.detected - around)
	}
	for i, flow := range s.flows {
		l.pauses[i] = flow.gaps.longest(struck)
	}
	return l, nil
}

// roundTrip is that of a path without queues.
func roundTrip(kind bodkin.PathKind) time.Duration {
	if kind == bodkin.Relayed {
		return 2 * (delayAS + delayBS)
	}
	return 2 * delayAB
}

func (s *session) kind() bodkin.PathKind { return s.ends[0].Path().Kind }

// goesOn waits until both nodes have the path, and bytes have come both ways that were written after that.
func (s *session) goesOn(ctx context.Context, want bodkin.PathKind) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for s.kind() != want || s.ends[1].Path().Kind != want {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("the path is %v and %v, not %v: %w", s.kind(), s.ends[1].Path().Kind, want, err)
		}
	}
	for i, f := range s.flows {
		for target := f.written.Load() + 8*block; f.read.Load() < min(target, s.size); {
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return fmt.Errorf("direction %d stands at %d of %d bytes, path %v: %w", i+1, f.read.Load(), f.written.Load(), s.kind(), err)
			}
		}
		if f.read.Load() == s.size {
			return fmt.Errorf("direction %d was over before the last fault", i+1)
		}
	}
	return nil
}
