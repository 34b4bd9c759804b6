package bodkin_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// TestTheSessionUsesThePathThatIsBetter runs sessions on direct paths that become bad in several ways beside a relay of 2 x (15 + 15) ms. They wait
// most of the time, so all do at once.
//
// Seen to fail where nothing is compared, and where the word on which path is used does not reach the peer.
func TestTheSessionUsesThePathThatIsBetter(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for name, plays := range map[string]func(*testing.T){
		"a detour that ends":  detourThatEnds,
		"jitter and 1 % loss": jitterAndLoss,
		"alternating":         alternating,
		"loss of 10 %":        loss,
		"a relay not wanted":  relayNotWanted,
	} {
		all.Go(func() { t.Run(name, plays) })
	}
	all.Wait()
}

const (
	nearRelay = 15 * time.Millisecond // one way between each node and the server
	usual     = 20 * time.Millisecond // and between the two
	detour    = 300 * time.Millisecond
)

// compared makes a couple that talks a little all the time.
func compared(t *testing.T, config bodkin.Config) *couple {
	w := newWorldOf(t, server.Config{})
	near := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a")
	far := behind(w.lab.KernelNAT("far", natlab.Kernel{}), "b")
	w.delays(near, far, nearRelay, nearRelay, usual)
	pace := 100 * time.Millisecond
	c := newPacedCouple(t, w, near, far, config, [2]time.Duration{pace, pace})
	c.becomesDirect(t)
	return c
}

// follows watches the path for a while, or until it is of a kind, and returns how long that took and how often it changed.
func (c *couple) follows(until bodkin.PathKind, most time.Duration) (took time.Duration, moves int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, last := time.Now(), c.conn.Path().Kind
	for time.Since(began) < most && last != until {
		<-tick.C
		if now := c.conn.Path().Kind; now != last {
			last = now
			moves++
		}
	}
	return time.Since(began), moves
}

// talks expects both ways of the talk to get somewhere.
func (c *couple) talks(t *testing.T) {
	t.Helper()
	var from [2]int64
	for i, f := range c.flows {
		from[i] = f.words.Load()
	}
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for c.flows[0].words.Load() == from[0] || c.flows[1].words.Load() == from[1] {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing comes over any more")
		}
	}
	for i, f := range c.flows {
		if err := f.failure(); err != nil {
			t.Fatalf("flow %d: %v", i, err)
		}
	}
}

func detourThatEnds(t *testing.T) {
	c := compared(t, bodkin.Config{})
	for _, step := range []struct {
		delay time.Duration
		want  bodkin.PathKind
		why   string
	}{{detour, bodkin.Relayed, "direct path takes "}, {usual, bodkin.Direct, ""}} {
		ensure(t, c.lab.SetDelay(c.near, c.far, step.delay))
		took, _ := c.follows(step.want, 3*time.Minute)
		path := c.conn.Path()
		t.Logf("one way %v: %v after %v %s", step.delay, path.Kind, took.Round(10*time.Millisecond), path.Why)
		if path.Kind != step.want || !strings.HasPrefix(path.Why, step.why) || (path.Why == "") != (step.why == "") {
			t.Fatalf("path is %+v, want %v because %q", path, step.want, step.why)
		}
		c.talks(t)
		c.agrees(t, step.want)
	}
}

// loss has the direct path alone lose packets. That an answer is late, for which the relay is used, too, is another reason.
func loss(t *testing.T) {
	c := compared(t, bodkin.Config{})
	ensure(t, c.lab.SetLoss(c.near, c.far, 0.1))
	began := time.Now()
	for path := c.conn.Path(); !strings.HasPrefix(path.Why, "direct path loses "); path = c.conn.Path() {
		if time.Since(began) > 3*time.Minute {
			t.Fatalf("path is %+v", path)
		}
		c.follows(0, 10*time.Millisecond)
	}
	t.Logf("%+v after %v", c.conn.Path(), time.Since(began).Round(10*time.Millisecond))
	c.talks(t)
	c.agrees(t, bodkin.Relayed)
}

// agrees waits until the peer takes the path, too.
func (c *couple) agrees(t *testing.T, want bodkin.PathKind) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		peers, err := c.b.Peers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			if p.Path != nil && p.Path.Kind == want {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the peer never is %v", want)
		}
	}
}

// stalled is for how long, in all, the machine has to have stood still to be the reason for what came too late: the relay gives a
// direct path 100 ms beyond the round trips.
const stalled = 200 * time.Millisecond

// unlessStalled fails t for an error of attempt, unless the machine stood still meanwhile: then it tries again.
func unlessStalled(t testing.TB, attempt func() error) {
	t.Helper()
	machine := newMachine(t)
	stopwatch.Met(t, func() error {
		machine.stood()
		err := attempt()
		if stood := machine.stood(); err != nil && stood < stalled {
			t.Error(err)
		}
		return err
	})
}

func jitterAndLoss(t *testing.T) {
	unlessStalled(t, func() error { // an answer is late then, and the relay steps in
		c := compared(t, bodkin.Config{})
		c.lab.SetLink(c.near, natlab.Link{Loss: 0.01, Jitter: 30 * time.Millisecond})
		if _, moves := c.follows(bodkin.Relayed, 20*time.Second); moves > 0 {
			return fmt.Errorf("moved to the relay: %+v", c.conn.Path())
		}
		if n := c.conn.Stats().Connections; n != 1 {
			return fmt.Errorf("a session with little to say uses %d connections", n)
		}
		c.talks(t)
		return nil
	})
}

func alternating(t *testing.T) {
	unlessStalled(t, func() error {
		c := compared(t, bodkin.Config{})
		moves := 0
		for i := range 8 {
			ensure(t, c.lab.SetDelay(c.near, c.far, []time.Duration{detour, usual}[i%2]))
			_, n := c.follows(0, 2500*time.Millisecond)
			moves += n
		}
		t.Logf("moved %d times", moves)
		if moves > 2 { // the second 10 s after the first, the next 20 s after that
			return fmt.Errorf("moved %d times in 20 s", moves)
		}
		c.talks(t)
		return nil
	})
}

func relayNotWanted(t *testing.T) {
	c := compared(t, bodkin.Config{Relay: bodkin.RelayNever})
	ensure(t, c.lab.SetDelay(c.near, c.far, detour))
	if _, moves := c.follows(bodkin.Relayed, 15*time.Second); moves > 0 {
		t.Errorf("path is %+v", c.conn.Path())
	}
	c.talks(t)
}
