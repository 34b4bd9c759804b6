package deadline

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestADeadlineWakesWhenItPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Timer
		var woken atomic.Int32
		wake := func() { woken.Add(1) }
		if d.Passed() {
			t.Error("the zero Timer has passed")
		}
		d.Set(time.Now().Add(time.Minute), wake)
		time.Sleep(time.Minute - time.Nanosecond)
		if synctest.Wait(); d.Passed() || woken.Load() != 0 {
			t.Errorf("before it: passed %v, woken %d times", d.Passed(), woken.Load())
		}
		time.Sleep(time.Nanosecond)
		if synctest.Wait(); !d.Passed() || woken.Load() != 1 {
			t.Errorf("at it: passed %v, woken %d times, want once", d.Passed(), woken.Load())
		}

		d.Set(time.Now().Add(time.Minute), wake)
		d.Set(time.Time{}, wake)
		time.Sleep(time.Hour)
		if synctest.Wait(); d.Passed() || woken.Load() != 1 {
			t.Errorf("taken back: passed %v, woken %d times", d.Passed(), woken.Load())
		}

		d.Set(time.Now().Add(time.Minute), wake)
		d.Stop()
		time.Sleep(time.Hour)
		if synctest.Wait(); !d.Passed() || woken.Load() != 1 {
			t.Errorf("stopped: passed %v, woken %d times", d.Passed(), woken.Load())
		}
		d.Set(time.Now().Add(-time.Second), wake)
		if synctest.Wait(); !d.Passed() || woken.Load() != 2 {
			t.Errorf("in the past: passed %v, woken %d times", d.Passed(), woken.Load())
		}
	})
}
