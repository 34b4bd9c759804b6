package netwatch

import (
	"testing"
	"time"
)

func TestAChangeIsToldOnceTheNetworkIsAtRest(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	for _, row := range []struct {
		name   string
		views  []string        // what each look shows, the first being before any event
		events []time.Duration // when the system told something
		due    time.Duration
		want   bool
	}{
		{"an address comes", []string{"a", "b", "b"}, []time.Duration{0}, settleTime, true},
		{"its route follows", []string{"a", "a", "b"}, []time.Duration{0, 10 * time.Millisecond}, 10*time.Millisecond + settleTime, true},
		{"nothing of interest", []string{"a", "a", "a"}, []time.Duration{0}, settleTime, false},
		{"gone and back", []string{"a", "b", "a"}, []time.Duration{0, 50 * time.Millisecond}, 50*time.Millisecond + settleTime, true},
		{"a system that never rests", []string{"a", "a", "b"},
			[]time.Duration{0, 90 * time.Millisecond, 950 * time.Millisecond}, settleMax, true},
	} {
		looks := 0
		s := settler{look: func() string { looks++; return row.views[looks] }, last: row.views[0]}
		if _, busy := s.due(); busy {
			t.Errorf("%s: busy before anything came", row.name)
		}
		for _, e := range row.events {
			s.event(at(e))
		}
		if due, busy := s.due(); !busy || due != at(row.due) {
			t.Errorf("%s: due after %v (%v), want %v", row.name, due.Sub(start), busy, row.due)
		}
		if got := s.settle(); got != row.want {
			t.Errorf("%s: changed %v, want %v", row.name, got, row.want)
		}
		if _, busy := s.due(); busy {
			t.Errorf("%s: busy after it settled", row.name)
		}
	}
}

func TestSleepShowsInTheWallClock(t *testing.T) {
	start := time.Now()
	for _, row := range []struct {
		later, want time.Duration
	}{
		{beat, 0},
		{beat + 9*time.Second, 0}, // a machine with too much to do
		{beat + time.Hour, time.Hour},
		{-time.Hour, 0}, // the clock was set back
	} {
		if got := sleptBetween(start, start.Add(row.later)); got != row.want {
			t.Errorf("%v later: slept %v, want %v", row.later, got, row.want)
		}
	}
}
