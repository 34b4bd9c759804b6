package server

import (
	"net/netip"
	"testing"
	"time"
)

func TestAddressesAreCountedByNetwork(t *testing.T) {
	a := newAdmission(5, 2)
	enter := func(addr string) bool { return a.enter(netip.MustParseAddr(addr)) }
	steps := []struct {
		addr string
		want bool
	}{
		{"192.0.2.1", true}, {"::ffff:192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false},
		{"192.0.2.3", false}, // five in all
	}
	for _, step := range steps {
		if got := enter(step.addr); got != step.want {
			t.Errorf("%s enters: %v, want %v", step.addr, got, step.want)
		}
	}
	a.leave(netip.MustParseAddr("192.0.2.1"))
	if !enter("192.0.2.3") {
		t.Error("no room after one left")
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8:0:0:1::"} {
		a.leave(netip.MustParseAddr(addr))
	}
	if len(a.byAddress) != 0 || a.count() != 0 {
		t.Errorf("%v and %d are left", a.byAddress, a.count())
	}
}

func TestBucketAllowsItsRate(t *testing.T) {
	var b bucket
	taken := 0
	for now := time.Duration(0); now < 10*time.Second; now += 10 * time.Millisecond {
		if _, ok := b.take(now, 5, 20); ok {
			taken++
		}
	}
	if want := 20 + 5*10; taken < want-1 || taken > want {
		t.Errorf("%d taken in 10 s at 5 a second after a burst of 20, want %d", taken, want)
	}
	wait, ok := b.take(10*time.Second, 5, 20)
	if ok {
		wait, ok = b.take(10*time.Second, 5, 20)
	}
	if _, later := b.take(10*time.Second+wait, 5, 20); ok || !later {
		t.Errorf("told to wait %v; after that: %v", wait, later)
	}
	if b.full(11*time.Second, 5) || !b.full(30*time.Second, 5) {
		t.Error("whole again at the wrong time")
	}
}

// count is how many are in.
func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total
}
