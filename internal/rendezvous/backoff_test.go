package rendezvous

import (
	"testing"
	"time"
)

func TestWaitsGrowAndFollowTheServer(t *testing.T) {
	type step struct {
		end      ending
		min, max time.Duration // of what random can make of it
	}
	const second, minute = time.Second, time.Minute
	tests := []struct {
		name  string
		steps []step
	}{
		{"failures double the ceiling, up to 30 s", []step{
			{ending{}, 0, second / 2}, {ending{}, 0, second}, {ending{}, 0, 2 * second}, {ending{}, 0, 4 * second}, {ending{}, 0, 8 * second},
			{ending{}, 0, 16 * second}, {ending{}, 0, 30 * second}, {ending{}, 0, 30 * second},
		}},
		{"a connection that lasted begins anew", []step{
			{ending{}, 0, second / 2}, {ending{}, 0, second}, {ending{lasted: minute}, 0, second / 2}, {ending{}, 0, second},
		}},
		{"one that did not last does not", []step{
			{ending{}, 0, second / 2}, {ending{lasted: second}, 0, second}, {ending{lasted: second}, 0, 2 * second},
		}},
		{"the server's spread is kept after a connection", []step{
			{ending{lasted: minute, spread: minute}, 0, minute}, {ending{spread: minute}, 0, second},
		}},
		{"but bounded", []step{{ending{lasted: minute, spread: 100 * time.Hour}, 0, time.Hour}}},
		{"retry_after is waited for, and spread", []step{
			{ending{retryAfter: 10 * second}, 10 * second, 20 * second}, {ending{retryAfter: 1000 * time.Hour}, 5 * minute, 10 * minute},
		}},
	}
	least := func(time.Duration) time.Duration { return 0 }
	most := func(d time.Duration) time.Duration { return d }
	for _, test := range tests {
		var low, high backoff
		for i, s := range test.steps {
			if got := low.next(s.end, least); got != s.min {
				t.Errorf("%s, step %d: waits at least %v, want %v", test.name, i, got, s.min)
			}
			if got := high.next(s.end, most); got != s.max {
				t.Errorf("%s, step %d: waits at most %v, want %v", test.name, i, got, s.max)
			}
		}
	}
}

func TestCeilingNeverOverflows(t *testing.T) {
	var b backoff
	for range 1000 {
		if wait := b.next(ending{}, func(d time.Duration) time.Duration { return d }); wait <= 0 || wait > backoffMax {
			t.Fatalf("after %d failures the wait is %v", b.failures, wait)
		}
	}
}
