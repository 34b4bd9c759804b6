package portmap

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestALeaseIsRenewedAtHalfOfWhatIsLeft(t *testing.T) {
	l := newLease(noon, time.Hour)
	for failures, want := range []time.Duration{30 * time.Minute, 45 * time.Minute, 52*time.Minute + 30*time.Second} {
		if l.failures = failures; l.renewal() != noon.Add(want) {
			t.Errorf("after %d failures: %v, want %v", failures, l.renewal().Sub(noon), want)
		}
	}
	if l.over(noon.Add(59*time.Minute)) || !l.over(noon.Add(time.Hour)) {
		t.Error("the lease does not end after an hour")
	}
	if l := newLease(noon, 0); l.over(noon.Add(1000*time.Hour)) || l.renewal() != noon.Add(permanentRenewal) {
		t.Error("a lease without an end ends, or is not renewed")
	}
	if l := newLease(noon, time.Millisecond); l.renewal().Sub(noon) < time.Second {
		t.Error("a lease of a millisecond has the gateway asked all the time")
	}
}

func TestARestartIsSeenInTheEpoch(t *testing.T) {
	for _, row := range []struct {
		name       string
		first      uint32
		after      time.Duration
		second     uint32
		isRestart  bool
		isFirstOne bool
	}{
		{name: "first", second: 7, isFirstOne: true},
		{name: "clocks agree", first: 100, after: time.Minute, second: 160},
		{name: "at once", first: 100, after: 0, second: 100},
		{name: "a second back", first: 100, after: 0, second: 99},
		{name: "begun anew", first: 100, after: time.Minute, second: 3, isRestart: true},
		{name: "begun anew long ago", first: 100, after: 10 * time.Hour, second: 200, isRestart: true},
		{name: "the gateway's clock is slow", first: 100, after: time.Hour, second: 100 + 3400},
		{name: "the gateway's clock is fast", first: 100, after: time.Hour, second: 100 + 3800},
		{name: "much too fast", first: 100, after: time.Hour, second: 100 + 4000, isRestart: true},
		{name: "from the future", first: 100, after: time.Second, second: 1<<32 - 1, isRestart: true},
		{name: "past the end", first: 1<<32 - 1, after: time.Second, second: 0, isRestart: true},
	} {
		var e epoch
		if !row.isFirstOne && e.restarted(noon, row.first) {
			t.Errorf("%s: the first value is a restart", row.name)
		}
		if got := e.restarted(noon.Add(row.after), row.second); got != row.isRestart {
			t.Errorf("%s: restarted is %v", row.name, got)
		}
	}
}
