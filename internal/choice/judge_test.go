package choice

import (
	"math/rand/v2"
	"testing"
	"time"
)

const (
	direct, relayed, detour = 1, 2, 3
	ms                      = time.Millisecond
)

// A quality is what a path is like at a time.
type quality struct {
	rtt  time.Duration
	loss float64
}

func always(rtt time.Duration, loss float64) func(time.Duration) quality {
	return func(time.Duration) quality { return quality{rtt, loss} }
}

// A world is a session whose paths are like functions of the time. Relay and second direct path come when they are looked for.
type world struct {
	judge   Judge
	paths   map[uint64]func(time.Duration) quality
	relay   time.Duration // the round trip by the relay as the server tells
	jitter  time.Duration
	packets int  // that are sent between two readings
	unknown bool // the kernel does not tell of losses
	random  *rand.Rand

	there  map[uint64]bool
	inUse  uint64
	now    time.Duration
	moves  []time.Duration
	sought int
	why    string
	bytes  uint64
	rate   func(w *world) float64 // bytes a second if the session is pressed; nil: it is not
}

func newWorld(first, relay, second func(time.Duration) quality) *world {
	return &world{paths: map[uint64]func(time.Duration) quality{direct: first, relayed: relay, detour: second}, relay: 60 * ms,
		packets: 20, random: rand.New(rand.NewPCG(1, 1)), there: map[uint64]bool{direct: true}, inUse: direct}
}

// step takes one reading, half a second later.
func (w *world) step() {
	w.now += 500 * ms
	r := Reading{Now: time.Unix(1e9, 0).Add(w.now), RelayRTT: w.relay, MayRelay: true}
	if w.rate != nil {
		w.bytes += uint64(w.rate(w) / 2)
		r.Pressed = true
	}
	r.Moved = w.bytes
	for id := uint64(1); id <= detour; id++ {
		if !w.there[id] {
			continue
		}
		q := w.paths[id](w.now)
		p := Path{ID: id, Relayed: id == relayed, InUse: id == w.inUse, RTT: q.rtt, Known: !w.unknown, Sent: 1}
		if w.jitter > 0 {
			p.RTT += time.Duration(w.random.Int64N(int64(w.jitter)))
		}
		if p.InUse {
			p.Sent = w.packets
		}
		for range p.Sent {
			if w.random.Float64() < q.loss {
				p.Repeated++
			}
		}
		if ping, pong := w.random.Float64(), w.random.Float64(); w.unknown && min(ping, pong) < q.loss {
			p.RTT += 220 * ms
		}
		r.Paths = append(r.Paths, p)
	}
	a := w.judge.Judge(r)
	for _, id := range a.Drop {
		delete(w.there, id)
	}
	if a.SeekRelayed {
		w.there[relayed] = true
		w.sought++
	}
	if a.SeekDirect && w.paths[detour] != nil {
		w.there[detour] = true
	}
	if a.Use != 0 {
		w.inUse, w.why = a.Use, a.Why
		w.moves = append(w.moves, w.now)
	}
}

func (w *world) goOn(lasts time.Duration) {
	for end := w.now + lasts; w.now < end; {
		w.step()
	}
}

func TestTheBetterPathIsUsed(t *testing.T) {
	for name, c := range map[string]struct {
		direct, relay, second func(time.Duration) quality
		want                  uint64
	}{
		"a good path beside a good relay":            {always(40*ms, 0), always(60*ms, 0), nil, direct},
		"a path that is somewhat slower":             {always(90*ms, 0), always(60*ms, 0), nil, direct},
		"a detour":                                   {always(290*ms, 0), always(60*ms, 0), nil, relayed},
		"a detour, and the relay is as far":          {always(290*ms, 0), always(280*ms, 0), nil, direct},
		"a detour, and another direct path":          {always(290*ms, 0), always(60*ms, 0), always(45*ms, 0), detour},
		"a detour, and another one like it":          {always(290*ms, 0), always(60*ms, 0), always(280*ms, 0), relayed},
		"a path that loses 6 %":                      {always(40*ms, 0.06), always(60*ms, 0), nil, relayed},
		"a path that loses 6 %, and the relay, too":  {always(40*ms, 0.06), always(60*ms, 0.06), nil, direct},
		"a path that loses 1 %":                      {always(40*ms, 0.01), always(60*ms, 0), nil, direct},
		"a path that loses 6 %, beside another":      {always(40*ms, 0.06), always(400*ms, 0), always(50*ms, 0), detour},
		"a path that is lossy but far quicker":       {always(5*ms, 0.06), always(60*ms, 0), nil, direct},
		"nothing of the relay but that it is slower": {always(250*ms, 0), always(240*ms, 0), nil, direct},
	} {
		for _, unknown := range []bool{false, true} {
			w := newWorld(c.direct, c.relay, c.second)
			w.unknown = unknown
			w.goOn(15 * time.Minute)
			if w.inUse != c.want {
				t.Errorf("%s (kernel tells nothing: %v): uses %d after %v, want %d", name, unknown, w.inUse, w.moves, c.want)
			}
			if len(w.moves) > 4 {
				t.Errorf("%s: moved at %v", name, w.moves)
			}
			if w.inUse == relayed && w.why == "" {
				t.Errorf("%s: no reason", name)
			}
		}
	}
}

func TestAMoveTakesSecondsAndSoDoesTheWayBack(t *testing.T) {
	w := newWorld(func(at time.Duration) quality {
		if at > time.Minute && at < 2*time.Minute {
			return quality{290 * ms, 0}
		}
		return quality{40 * ms, 0}
	}, always(60*ms, 0), nil)
	w.goOn(4 * time.Minute)
	if len(w.moves) != 2 || w.inUse != direct {
		t.Fatalf("moved at %v, uses %d", w.moves, w.inUse)
	}
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute} {
		if took := w.moves[i] - want; took < 0 || took > 10*time.Second {
			t.Errorf("move %d took %v", i+1, took)
		}
	}
	if w.there[relayed] {
		t.Error("the relay is kept for good")
	}
}

func TestASessionComesBackWhenTheLossIsOver(t *testing.T) {
	w := newWorld(func(at time.Duration) quality {
		if at < 2*time.Minute {
			return quality{40 * ms, 0.06}
		}
		return quality{40 * ms, 0}
	}, always(60*ms, 0), nil)
	w.goOn(10 * time.Minute)
	if len(w.moves) != 2 || w.inUse != direct || w.why != "" {
		t.Errorf("moved at %v, uses %d", w.moves, w.inUse)
	}
}

// TestJitterAndSomeLossMoveNothing plays an hour on each of many paths.
func TestJitterAndSomeLossMoveNothing(t *testing.T) {
	for seed := range uint64(20) {
		for _, unknown := range []bool{false, true} {
			w := newWorld(always(40*ms, 0.01), always(60*ms, 0), always(40*ms, 0))
			w.random = rand.New(rand.NewPCG(seed, 2))
			w.jitter, w.unknown = 60*ms, unknown
			w.packets = 1 + w.random.IntN(100)
			w.goOn(time.Hour)
			if len(w.moves) > 0 {
				t.Errorf("seed %d, kernel tells nothing %v: moved at %v", seed, unknown, w.moves)
			}
			if w.sought > 8 {
				t.Errorf("seed %d: looked for the relay %d times", seed, w.sought)
			}
		}
	}
}

// TestNothingFlaps has the quality of both paths alternate, at every pace and at random, for six hours.
func TestNothingFlaps(t *testing.T) {
	for _, period := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 17 * time.Second, 40 * time.Second, 3 * time.Minute} {
		for seed := range uint64(3) {
			random := rand.New(rand.NewPCG(seed, 3))
			shift := time.Duration(random.Int64N(int64(period)))
			good := func(at time.Duration) bool { return (at+shift)/period%2 == 0 }
			w := newWorld(func(at time.Duration) quality {
				if good(at) {
					return quality{30 * ms, 0}
				}
				return quality{400 * ms, 0.1}
			}, func(at time.Duration) quality {
				if good(at) {
					return quality{300 * ms, 0}
				}
				return quality{60 * ms, 0}
			}, nil)
			w.goOn(6 * time.Hour)
			if len(w.moves) > 45 { // 10, 20, 40 ... s, then one in ten minutes
				t.Errorf("period %v: moved %d times", period, len(w.moves))
			}
			for i := 12; i < len(w.moves); i++ {
				if took := w.moves[i] - w.moves[i-12]; took < time.Hour {
					t.Errorf("period %v: 12 moves within %v", period, took)
				}
			}
		}
	}
}

// TestTheRelayIsLeftWhereItBringsNoMore has a session that is limited by what the path brings: one whose provider drops what is too much.
func TestTheRelayIsLeftWhereItBringsNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		gain float64
		want uint64
	}{"no more": {1, direct}, "twice as much": {2, relayed}} {
		w := newWorld(always(40*ms, 0.05), always(60*ms, 0), nil)
		w.rate = func(w *world) float64 {
			if w.inUse == relayed {
				return 1e6 * c.gain
			}
			return 1e6
		}
		w.goOn(time.Minute)
		if w.inUse != c.want {
			t.Errorf("%s: uses %d after %v", name, w.inUse, w.moves)
		}
		w.goOn(3 * time.Hour)
		if len(w.moves) > 20 {
			t.Errorf("%s: moved at %v", name, w.moves)
		}
	}
}

func TestARelayThatIsNotWantedIsNotLookedFor(t *testing.T) {
	var j Judge
	for i := range 2000 {
		a := j.Judge(Reading{Now: time.Unix(int64(i), 0), RelayRTT: 50 * ms, Paths: []Path{{ID: 1, InUse: true, RTT: 500 * ms}}})
		if a.SeekRelayed || a.Use != 0 {
			t.Fatalf("advice %+v", a)
		}
	}
}

func TestNothingIsAdvisedWithoutAPath(t *testing.T) {
	var j Judge
	j.Judge(Reading{Now: time.Unix(1, 0), MayRelay: true})
	a := j.Judge(Reading{Now: time.Unix(2, 0), Paths: []Path{{ID: 7, Relayed: true}}})
	if a.Use != 0 || a.SeekDirect || a.SeekRelayed || len(a.Drop) > 0 {
		t.Errorf("advice %+v", a)
	}
}
