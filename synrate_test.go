package bodkin

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// TestTheSYNRateKnowsNoTimeThatIsPast: a clock that is read before the lock is taken may be late by the time that it is used.
//
// Seen to fail with the clock read before the lock.
func TestTheSYNRateKnowsNoTimeThatIsPast(t *testing.T) {
	pace := newSYNRate()
	pace.now = func() time.Time {
		if pace.mu.TryLock() {
			pace.mu.Unlock()
			t.Error("the clock is read without the lock")
		}
		return time.Now()
	}
	ctx, stop := context.WithCancel(t.Context())
	for range rounds.MaxPredicted {
		if err := pace.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := pace.Wait(ctx); err == nil {
		t.Error("one was let go after its end")
	}
}

// TestManyWhoWaitGetNoMoreThanTheRate has as many wait as ten searches do, and most give up. Some are stopped for 100 ms when they have read the
// clock, as a busy machine does.
//
// Seen to fail with the clock read before the lock: 520 to 524 were let go in 1 s, where 320 are allowed.
func TestManyWhoWaitGetNoMoreThanTheRate(t *testing.T) {
	pace := newSYNRate()
	var reads atomic.Int64
	pace.now = func() time.Time {
		now := time.Now()
		if reads.Add(1)%500 == 100 {
			<-time.After(100 * time.Millisecond)
		}
		return now
	}
	began := time.Now()
	var granted atomic.Int64
	for range 64 { // which are let go at once
		if err := pace.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		granted.Add(1)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	var all sync.WaitGroup
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range 5000 {
		all.Go(func() {
			if pace.Wait(ctx) == nil {
				granted.Add(1)
			}
		})
		if i%50 == 0 {
			<-tick.C
		}
	}
	all.Wait()
	took := time.Since(began)
	if most := int64(64 + 250*took.Seconds() + 1); granted.Load() > most {
		t.Errorf("%d were let go in %v, want 64 at once and 250 a second: %d", granted.Load(), took, most)
	}
}
