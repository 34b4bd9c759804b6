package bodkin_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

var agingInNatlab = flag.Duration("aging-natlab", 0, "how long TestAStreamOutlivesMappingsThatAge plays with mappings that end after 60 s; zero: a short check with 4 s")

// tolerable is the longest pause that a stream may make once a node knows that mappings age.
const tolerable = 200 * time.Millisecond

// unforeseen is less than any death that came as a surprise has cost (1.2 s and more), and more than a busy machine makes of a change of
// carriers: with 200 ms the short check needed seven of its eight attempts once where fifteen processes shared two cores.
const unforeseen = 800 * time.Millisecond

// TestAStreamOutlivesMappingsThatAge has all mappings of one side end 4 s after they were made. Two deaths teach that; what comes then is a
// pause no more: a time longer than an age and a redial goes by without one.
func TestAStreamOutlivesMappingsThatAge(t *testing.T) {
	t.Parallel()
	age := 4 * time.Second
	if *agingInNatlab > 0 {
		age = time.Minute
	}
	w := newWorldOf(t, server.Config{NoRelay: true})
	box := natlab.PortRestrictedCone()
	box.Timeouts.Lifetime = age
	near, far := behind(w.lab.NAT("near", box), "a"), behind(w.lab.NAT("far", natlab.Linux()), "b")
	w.delays(near, far, delayAS, delayBS, delayAB)
	pair := newCouple(t, w, near, far, bodkin.Config{})
	if *agingInNatlab > 0 {
		pair.ages(t, age, *agingInNatlab)
		return
	}
	stopwatch.Met(t, func() error {
		if worst := pair.longest(t, age+2*time.Second); worst > unforeseen {
			return fmt.Errorf("a pause of %v", worst.Round(time.Millisecond))
		}
		return nil
	})
}

// longest is the longest pause of a while.
func (c *couple) longest(t *testing.T, while time.Duration) (worst time.Duration) {
	for began := time.Now(); time.Since(began) < while; {
		worst = max(worst, c.goesOn(t))
	}
	return worst
}

// ages plays for a while, tells of every pause, and fails for one that comes after two ages and the time to learn from them. For how long the
// machine stood still meanwhile does not count.
func (c *couple) ages(t *testing.T, age, while time.Duration) {
	began, worst, marked := time.Now(), time.Duration(0), 0
	machine := newMachine(t)
	for time.Since(began) < while {
		pause, stood := c.goesOn(t), machine.stood()
		at := time.Since(began)
		if pause > tolerable {
			t.Logf("after %v a pause of %v, in which the machine stood still for %v", at.Round(time.Second/10), pause.Round(time.Millisecond), stood.Round(time.Millisecond))
		}
		if at <= 5*age/2 {
			continue
		}
		if pause > tolerable && pause-stood <= tolerable {
			marked++
		}
		worst = max(worst, pause-stood)
	}
	t.Logf("%v in all; from the third age on the longest pause was %v, the machine's own part taken off, and %d were only longer than %v with it",
		while, worst.Round(time.Millisecond), marked, tolerable)
	if worst > tolerable {
		t.Errorf("a pause of %v, want at most %v", worst, tolerable)
	}
}

// A machine notices when it stands still: it wakes every few milliseconds, and adds up by how much it woke too late.
type machine struct{ late atomic.Int64 }

func newMachine(t testing.TB) *machine {
	m := new(machine)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { m.watch(ctx) })
	t.Cleanup(func() { cancel(); work.Wait() })
	return m
}

func (m *machine) watch(ctx context.Context) {
	const tick, punctual = 2 * time.Millisecond, 5 * time.Millisecond
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for due := time.Now().Add(tick); ; due = time.Now().Add(tick) {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if late := time.Since(due); late > punctual {
			m.late.Add(int64(late))
		}
		timer.Reset(tick)
	}
}

// stood is for how long the machine stood still since it was asked last.
func (m *machine) stood() time.Duration { return time.Duration(m.late.Swap(0)) }
