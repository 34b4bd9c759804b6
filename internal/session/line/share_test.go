package line

import (
	"slices"
	"testing"
	"time"
)

func TestWhoIsReadyTakesTheNextPiece(t *testing.T) {
	for name, c := range map[string]struct {
		offer offer
		want  int
	}{
		"nothing to send":                         {offer{active: true, alone: true}, 0},
		"alone, all that is there":                {offer{active: true, alone: true, unsent: 5, way: 1 << 30, batch: 70}, 70},
		"the first, something small":              {offer{active: true, unsent: 5, allow: 100, piece: 50}, 50},
		"the first, as much on its way as may":    {offer{active: true, unsent: 500, way: 100, allow: 100, piece: 50}, 0},
		"another, something small":                {offer{unsent: 49, allow: 100, piece: 50}, 0},
		"another, a whole piece":                  {offer{unsent: 50, allow: 100, piece: 50}, 50},
		"another, what has to go again":           {offer{again: true, allow: 100, piece: 50}, 50},
		"one that is too slow":                    {offer{active: true, slow: true, unsent: 500, allow: 100, piece: 50}, 0},
		"another, with as much on its way as may": {offer{again: true, unsent: 500, way: 100, allow: 100, piece: 50}, 0},
	} {
		if got := c.offer.take(); got != c.want {
			t.Errorf("%s: takes %d, want %d", name, got, c.want)
		}
	}
}

// bring plays a carrier that brings rate bytes a second after a round trip, and is given as much as it may have for 6 s. It returns what
// came in the second half, as a part of the rate, and the longest queue then.
func bring(m *meter, rate float64, roundTrip time.Duration) (share float64, queue time.Duration) {
	type word struct {
		at   time.Time
		came uint64
	}
	const half = 3 * time.Second
	var f flight
	var words []word
	var before uint64
	start := time.Unix(1e9, 0)
	free := start // when the path has brought all that it has
	for now := start; now.Sub(start) < 2*half; now = now.Add(time.Millisecond) {
		for len(words) > 0 && !words[0].at.After(now) {
			f.told(words[0].came, func(span) {})
			m.arrived(now, &f, true)
			words = words[1:]
		}
		for f.way() < m.allowance() {
			n := m.piece(32 << 20)
			f.add(span{f.sent, f.sent + uint64(n)})
			m.left(now, &f, n)
			if free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(float64(n) / rate * float64(time.Second)))
			words = append(words, word{free.Add(roundTrip), f.sent})
		}
		if now.Sub(start) < half {
			before = f.came
		} else {
			queue = max(queue, free.Sub(now))
		}
	}
	return float64(f.came-before) / half.Seconds() / rate, queue
}

func TestEachCarrierGetsWhatItBringsAndIsNotFlooded(t *testing.T) {
	for name, c := range map[string]struct {
		rate      float64
		roundTrip time.Duration
	}{
		"50 Mbit/s, 10 ms":   {6.25e6, 10 * time.Millisecond},
		"50 Mbit/s, 200 ms":  {6.25e6, 200 * time.Millisecond},
		"5 Mbit/s, 50 ms":    {625e3, 50 * time.Millisecond},
		"1 Gbit/s, 30 ms":    {125e6, 30 * time.Millisecond},
		"0.4 Mbit/s, 100 ms": {50e3, 100 * time.Millisecond},
	} {
		var m meter
		share, queue := bring(&m, c.rate, c.roundTrip)
		if share < 0.95 {
			t.Errorf("%s: %.2f of the rate is used", name, share)
		}
		// Twice the least round trip, which the first pieces are part of, and the slack; a piece or two where all is slow.
		bound := 3*(c.roundTrip+slack) + time.Duration(2*leastWay/c.rate*float64(time.Second))
		if queue > bound {
			t.Errorf("%s: %v are queued, want %v at most", name, queue, bound)
		}
	}
}

func TestAnotherRouteIsMeasuredAnew(t *testing.T) {
	m := meter{base: 10 * time.Millisecond}
	now := time.Unix(1e9, 0)
	m.roundTrip(now, 11*time.Millisecond, true)
	for range 400 {
		now = now.Add(100 * time.Millisecond)
		m.roundTrip(now, 300*time.Millisecond, true)
	}
	if m.base != 300*time.Millisecond {
		t.Errorf("base is %v after 40 s of 300 ms", m.base)
	}
	for range 400 { // the kernel's buffer is full while only one carrier is in use
		now = now.Add(100 * time.Millisecond)
		m.roundTrip(now, 3*time.Second, false)
	}
	if m.base != 300*time.Millisecond {
		t.Errorf("base is %v after 40 s with one carrier", m.base)
	}
}

func TestWhatStandsStillIsStuck(t *testing.T) {
	m, f := meter{base: 50 * time.Millisecond, rate: 1e6}, flight{}
	now := time.Unix(1e9, 0)
	if m.stuck(now, &f) {
		t.Error("stuck with nothing on its way")
	}
	f.add(span{0, 1000})
	m.left(now, &f, 1000)
	if patience := 3 * (m.base + slack); m.stuck(now.Add(patience), &f) || !m.stuck(now.Add(patience+1), &f) {
		t.Errorf("want it stuck after %v", patience)
	}
	f.told(500, func(span) {})
	m.arrived(now.Add(time.Second), &f, true)
	if m.stuck(now.Add(time.Second+time.Millisecond), &f) {
		t.Error("stuck although it moves")
	}
}

func TestASlowCarrierIsTriedNowAndThen(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		meter meter
		after time.Duration
		want  bool
	}{
		"not measured":           {meter{moved: now}, time.Second, false},
		"100 KB/s":               {meter{moved: now, rate: 1e5}, time.Second, false},
		"10 KB/s":                {meter{moved: now, rate: 1e4}, time.Second, true},
		"10 KB/s, some time ago": {meter{moved: now, rate: 1e4}, slowAgain, false},
	} {
		if got := c.meter.slow(now.Add(c.after)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestWhatHasComeByACarrierIsNotSentAgain(t *testing.T) {
	var f flight
	for _, s := range []span{{100, 200}, {0, 50}, {50, 60}, {300, 400}} {
		f.add(s)
	}
	var came spans
	if err := f.told(130, func(s span) { came.add(s) }); err != nil {
		t.Fatal(err)
	}
	if want := (spans{{0, 30}, {100, 200}}); !slices.Equal(came, want) {
		t.Errorf("came %v, want %v", came, want)
	}
	if want := (spans{{30, 60}, {300, 400}}); !slices.Equal(f.spans, want) {
		t.Errorf("on its way %v, want %v", f.spans, want)
	}
	if f.told(100, func(span) {}); f.came != 130 {
		t.Errorf("an old word counts: %d", f.came)
	}
	if err := f.told(261, func(span) {}); err == nil {
		t.Error("more than was sent has come")
	}
}

func TestSpansLoseWhatIsRemoved(t *testing.T) {
	for _, c := range []struct {
		remove span
		want   spans
	}{
		{span{0, 10}, spans{{10, 20}, {30, 40}, {50, 60}}},
		{span{10, 20}, spans{{30, 40}, {50, 60}}},
		{span{12, 15}, spans{{10, 12}, {15, 20}, {30, 40}, {50, 60}}},
		{span{15, 55}, spans{{10, 15}, {55, 60}}},
		{span{0, 99}, nil},
		{span{20, 30}, spans{{10, 20}, {30, 40}, {50, 60}}},
	} {
		set := spans{{10, 20}, {30, 40}, {50, 60}}
		if set.remove(c.remove); !slices.Equal(set, c.want) {
			t.Errorf("without %v: %v, want %v", c.remove, set, c.want)
		}
	}
}
