package line

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A slowHole is a blackhole that takes a while to close.
type slowHole struct {
	*blackhole
	once   sync.Once
	closed atomic.Bool
}

func (s *slowHole) Close() error {
	s.once.Do(func() {
		time.Sleep(100 * time.Millisecond)
		s.closed.Store(true)
	})
	return s.blackhole.Close()
}

// newSlowHole makes a line whose carrier has died at the returned end, and does not know yet.
func newSlowHole(t *testing.T) (*pair, *slowHole) {
	hole := &slowHole{blackhole: &blackhole{dead: make(chan struct{})}}
	p := newPair(t, Config{}, func(testing.TB) (net.Conn, net.Conn) {
		a, b := net.Pipe()
		hole.Conn = a
		return hole, b
	})
	exchange(t, p.a, p.b, 1<<10)
	synctest.Wait()
	close(hole.dead)
	return p, hole
}

// TestPortsAreFreeOnceACarrierWasProvenDead: who has a carrier prove itself dials between the same two ports next.
func TestPortsAreFreeOnceACarrierWasProvenDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, hole := newSlowHole(t)
		start := time.Now()
		p.a.Prove(t.Context(), 300*time.Millisecond)
		if took := time.Since(start); !hole.closed.Load() || took != 400*time.Millisecond {
			t.Errorf("after %v the connection is closed: %v", took, hole.closed.Load())
		}
	})
}

// TestWhoMustProveItselfGetsNoMoreTimeForBeingAskedAgain: a second wish comes while the first is under way.
func TestWhoMustProveItselfGetsNoMoreTimeForBeingAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newSlowHole(t)
		start := time.Now()
		go p.a.Prove(t.Context(), 300*time.Millisecond)
		time.Sleep(200 * time.Millisecond)
		p.a.Prove(t.Context(), 300*time.Millisecond)
		if took := time.Since(start); took != 400*time.Millisecond {
			t.Errorf("both took %v, want the first one's 300 ms and 100 to close", took)
		}
		if p.a.Settle(t.Context()); time.Since(start) != 400*time.Millisecond {
			t.Errorf("what was settled at 400 ms took until %v", time.Since(start))
		}
	})
}
