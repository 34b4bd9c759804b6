package line

import (
	"slices"
	"testing"
	"time"
)

// A path is what n carriers bring together, in bytes a second.
type path func(n int) float64

func each(rate float64) path       { return func(n int) float64 { return float64(n) * rate } }
func total(rate float64) path      { return func(int) float64 { return rate } }
func upTo(most, rate float64) path { return func(n int) float64 { return min(most, float64(n)*rate) } }

// A trip is a spread at work over a path, in steps of watchTime.
type trip struct {
	spread   spread
	now      time.Time
	came     float64
	have     int // carriers that are there
	make     int // how many can be made
	asked    int
	starving bool // the queue runs empty half of the time
}

func newTrip(most int) *trip {
	return &trip{spread: newSpread(most), now: time.Unix(1e9, 0), have: 1, make: most}
}

// go on for a while; one that is asked for comes by the next step. It returns how many were in use on average.
func (r *trip) goOn(lasts time.Duration, over path) (used float64) {
	steps := int(lasts / watchTime)
	for range steps {
		r.now = r.now.Add(watchTime)
		r.came += over(r.spread.want) * watchTime.Seconds()
		reading := reading{now: r.now, came: uint64(r.came), have: r.have, settle: settleLeast}
		if r.starving {
			reading.starved = watchTime / 2
		}
		if ask := r.spread.judge(reading); ask > 0 {
			r.asked++
			r.have = min(r.have+ask, r.make)
		}
		if r.spread.phase == steady { // spares are put down
			r.have = max(r.spread.want, 1)
		}
		used += float64(r.spread.want) / float64(steps)
	}
	return used
}

func TestCarriersAreAddedWhileThatBringsMore(t *testing.T) {
	for name, c := range map[string]struct {
		over        path
		least, most float64 // in use, on average of the second half of a minute
	}{
		"each capped":                     {each(6e6), 7.8, 8},
		"together as fast as one":         {total(6e6), 1, 1.2},
		"together as fast as three":       {upTo(18e6, 6e6), 2.9, 4.1},
		"together as fast as six":         {upTo(36e6, 6e6), 5.9, 7.1},
		"a second that brings 5 % more":   {func(n int) float64 { return 6e6 * (1 + 0.05*float64(n-1)) }, 1, 1.2},
		"a second that costs a third":     {func(n int) float64 { return 6e6 / (1 + 0.5*float64(n-1)) }, 1, 1.2},
		"nothing comes at all by any now": {total(0), 1, 1.2},
	} {
		r := newTrip(8)
		r.goOn(30*time.Second, c.over)
		if used := r.goOn(30*time.Second, c.over); used < c.least || used > c.most {
			t.Errorf("%s: %.2f carriers in use, want %.1f to %.1f", name, used, c.least, c.most)
		}
	}
}

func TestTrialsThatFailBecomeRare(t *testing.T) {
	for name, can := range map[string]int{"a second does not help": 8, "a second cannot be made": 1} {
		r := newTrip(8)
		r.make = can
		var times []int
		for range 6 {
			before := r.asked
			r.goOn(10*time.Minute, total(1e6))
			times = append(times, r.asked-before)
		}
		most := 8 // 10, 20, 40 ... s apart
		if can == 1 {
			most *= int(askTime / askAgain) // each trial asks again and again while it waits
		}
		if times[0] == 0 || times[0] > most || slices.Max(times[2:]) > most/4 {
			t.Errorf("%s: asked %v times in each 10 minutes", name, times)
		}
	}
}

func TestOneCarrierIsEnoughForWhatIsNotQueued(t *testing.T) {
	r := newTrip(8)
	r.starving = true
	if used := r.goOn(time.Minute, each(1e6)); used > 1.01 || r.asked > 0 {
		t.Errorf("%.2f in use, asked %d times", used, r.asked)
	}
	r.starving = false
	r.goOn(20*time.Second, each(1e6))
	if r.spread.want != 8 {
		t.Errorf("%d in use while all is queued", r.spread.want)
	}
	r.starving = true
	r.goOn(idleTime+watchTime, each(1e6))
	if r.spread.want != 1 {
		t.Errorf("%d in use after %v idle", r.spread.want, idleTime)
	}
}

func TestCarriersThatNoLongerHelpAreDropped(t *testing.T) {
	r := newTrip(8)
	r.goOn(20*time.Second, each(1e6))
	r.goOn(4*time.Minute, total(8e6)) // the cap is gone: one would do
	if used := r.goOn(time.Minute, total(8e6)); used > 2.1 {
		t.Errorf("%.2f in use although one brings as much", used)
	}
}

func TestALossOfCarriersIsNoVerdictOnTheOthers(t *testing.T) {
	r := newTrip(4)
	r.goOn(20*time.Second, each(1e6))
	r.have, r.make = 2, 2
	r.goOn(time.Second, each(1e6))
	if r.spread.want != 2 {
		t.Errorf("%d wanted, 2 are there", r.spread.want)
	}
	r.make = 4
	r.goOn(time.Minute, each(1e6))
	if r.spread.want != 4 {
		t.Errorf("%d in use a minute after carriers can be made again", r.spread.want)
	}
}
