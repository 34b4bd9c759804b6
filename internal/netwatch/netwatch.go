// Package netwatch tells at once when the network of this machine may be another: an interface, an address or the default route
// changed, or the machine has slept.
//
// What the network looks like is the caller's to say (Config.Look). The system only says when to look again: by rtnetlink on Linux, a
// routing socket on macOS, NotifyIpInterfaceChange and its like on Windows. Besides it is looked at every five seconds, which is
// all there is elsewhere. On Linux these are seconds by a clock that goes on in sleep, so that the first look comes as the machine wakes.
package netwatch

import (
	"context"
	"log/slog"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

const (
	// beat is how often clock and network are looked at without being told to.
	beat = 5 * time.Second
	// sleepMin is by how much more than a beat the wall clock must have gone on for the machine to have slept. Less is a busy one.
	sleepMin = 10 * time.Second
)

// Config is what to watch. Look and Changed are needed.
type Config struct {
	// Look describes the network. The text is only compared with an earlier one.
	Look func() string

	// Changed is told once the network is another and at rest, one call at a time. Nothing is noticed while it runs.
	Changed func(Change)

	// Within runs open, which opens a socket, where the network is to be watched: in another network namespace, for instance.
	// Nil means here.
	Within netspace.Space

	Log *slog.Logger // nil: silence
}

// A Change is what happened.
type Change struct {
	Slept time.Duration // the machine slept about that long, or its clock was set forward; zero: neither
}

// Run watches until ctx ends, and returns its error.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	events, stop, err := listen(c.Within)
	if err != nil {
		c.Log.Info("the system does not tell of network changes, looking every so often", "every", beat, "err", err)
	} else {
		defer stop()
	}
	clock, stopClock, err := beats(beat)
	if err != nil {
		ticker := time.NewTicker(beat)
		clock, stopClock = ticker.C, ticker.Stop
	}
	defer stopClock()
	return watch(ctx, c, events, clock)
}

// watch looks whenever events or clock has something.
func watch(ctx context.Context, c Config, events <-chan struct{}, clock <-chan time.Time) error {
	s := settler{look: c.Look, last: c.Look()}
	rest := time.NewTimer(0)
	defer rest.Stop()
	last := wall()
	for {
		var due <-chan time.Time
		if at, ok := s.due(); ok {
			rest.Reset(time.Until(at))
			due = rest.C
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-events:
			s.event(time.Now())
		case <-due:
			if s.settle() {
				c.Changed(Change{})
			}
		case <-clock:
			now := wall()
			slept := sleptBetween(last, now)
			if last = now; slept > 0 {
				s.settle()
				c.Changed(Change{Slept: slept})
			} else {
				s.event(time.Now())
			}
		}
	}
}

// wall is the time by the wall clock, which goes on while the machine sleeps. The monotonic one, which Go prefers and timers
// go by, stops on most systems.
func wall() time.Time { return time.Now().Round(0) }

// sleptBetween is how long the machine slept between two beats; zero if it did not.
func sleptBetween(last, now time.Time) time.Duration {
	if slept := now.Sub(last) - beat; slept >= sleepMin {
		return slept
	}
	return 0
}
