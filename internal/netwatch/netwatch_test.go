package netwatch

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counting watches a network whose looks are a number.
func counting(view, changes *atomic.Int32) Config {
	return Config{Look: func() string { return strconv.Itoa(int(view.Load())) }, Changed: func(Change) { changes.Add(1) }}
}

func TestEventsThatChangeNothingAreNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var view, changes atomic.Int32
		events, ended := make(chan struct{}, 1), make(chan error)
		go func() { ended <- watch(ctx, counting(&view, &changes), events, nil) }()
		synctest.Wait()
		tell := func() {
			events <- struct{}{}
			time.Sleep(settleTime + time.Millisecond)
			synctest.Wait()
		}
		if tell(); changes.Load() != 0 {
			t.Errorf("%d changes told of a network that is the same", changes.Load())
		}
		view.Store(1)
		if tell(); changes.Load() != 1 {
			t.Errorf("%d changes told, want 1", changes.Load())
		}
		if tell(); changes.Load() != 1 {
			t.Errorf("%d changes told, want still 1", changes.Load())
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestWithoutEventsTheNetworkIsLookedAtEverySoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var view, changes atomic.Int32
		ended := make(chan error)
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		go func() { ended <- watch(ctx, counting(&view, &changes), nil, ticker.C) }()
		synctest.Wait()
		view.Store(1)
		time.Sleep(beat + settleTime + time.Millisecond)
		synctest.Wait()
		if changes.Load() != 1 {
			t.Errorf("%d changes told, want 1", changes.Load())
		}
		cancel()
		<-ended
	})
}
