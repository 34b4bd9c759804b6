package bodkin

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestWhatFailedRestsLongerEachTime(t *testing.T) {
	var r rest
	now := time.Now()
	if !r.isOver(now) {
		t.Fatal("rests before anything failed")
	}
	for _, want := range []time.Duration{improveFirst, 2 * improveFirst, 4 * improveFirst} {
		r.note(errors.New("failed"), now)
		if r.isOver(now.Add(want-1)) || !r.isOver(now.Add(want)) {
			t.Errorf("does not rest for %v", want)
		}
		if r.note(errors.New("failed"), now); !r.isOver(now.Add(want)) {
			t.Error("another failure at the same time makes the rest longer")
		}
		now = now.Add(want)
	}
	for range 20 {
		r.note(errors.New("failed"), now)
	}
	if !r.isOver(now.Add(improveLast)) {
		t.Errorf("rests for more than %v", improveLast)
	}
	r.note(nil, now)
	if !r.isOver(now) {
		t.Error("rests after a success")
	}
}

func TestSightingsAreTheNewestFew(t *testing.T) {
	var s sightings
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 40000)
	}
	s.note(at(1), at(2), netip.AddrPort{})
	s.note(at(3))
	s.note(at(2))
	if got := s.places(); len(got) != 3 || got[0] != at(2) || got[1] != at(3) || got[2] != at(1) {
		t.Errorf("got %v", got)
	}
	for i := range 50 {
		s.note(at(i))
	}
	if got := s.places(); len(got) != maxSightings || got[0] != at(49) {
		t.Errorf("got %v, want the newest %d", got, maxSightings)
	}
}
