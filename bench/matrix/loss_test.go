package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWithoutLossTheModelIsTheFloor(t *testing.T) {
	m := lossModel{dice: rand.New(rand.NewPCG(1, 2))}
	if got, ok := m.dial(); !ok || got != floorOut {
		t.Errorf("got %v, want %v", got, floorOut)
	}
	const c = delayPair
	for _, s := range []struct{ a, b, wantA, wantB time.Duration }{ // techniques of simultaneous open, with c one way
		{0, 0, 2 * c, 2 * c},
		{0, 20 * time.Millisecond, 2 * c, 20*time.Millisecond + 2*c},
		{0, 100 * time.Millisecond, 100*time.Millisecond + 3*c, 100*time.Millisecond + 2*c},
	} {
		if up, ok := m.cross([2]time.Duration{s.a, s.b}); !ok || up != [2]time.Duration{s.wantA, s.wantB} {
			t.Errorf("SYNs at %v and %v: up at %v, want %v and %v", s.a, s.b, up, s.wantA, s.wantB)
		}
	}
}

func TestLossCostsSecondsOnlyWhereAllIsLost(t *testing.T) {
	m := lossModel{0.05, 20 * time.Millisecond, rand.New(rand.NewPCG(1, 2))}
	var times []float64
	failed := 0
	for range 20_000 {
		if d, ok := m.dial(); ok {
			times = append(times, ms(d))
		} else {
			failed++
		}
	}
	s := spreadOf(times, failed)
	if s.Median < ms(floorOut) || s.Median > ms(floorOut)+100 || s.Fast < 0.8 || s.Second == 0 || s.None > 0.001 {
		t.Errorf("got %+v", s)
	}
	m.loss = 1
	if _, ok := m.cross([2]time.Duration{}); ok {
		t.Error("a connection opened without a packet")
	}
}

func TestASpreadCountsEveryDial(t *testing.T) {
	got := spreadOf([]float64{140, 150, 1150, 2150}, 1)
	if got.Median != 1150 || got.Fast != 0.4 || got.Second != 0.2 || got.Two != 0.2 || got.Slower != 0 || got.None != 0.2 {
		t.Errorf("got %+v", got)
	}
	if got := spreadOf(nil, 0); got != (spread{}) {
		t.Errorf("of nothing: %+v", got)
	}
}
