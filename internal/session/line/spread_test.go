package line

import (
	"errors"
	"testing"
)

// beside gives both ends a carrier to use in addition to those that they have.
func (p *pair) beside(first, second *Line) error {
	near, far := p.dial(p.t)
	return joinAs(first, second, near, far, Carrier{Beside: true})
}

func TestCarriersStayBesideEachOtherUpToSpread(t *testing.T) {
	leakless(t)
	p := newPair(t, Config{Spread: 3}, tcpPair)
	for range 2 {
		if err := p.beside(p.a, p.b); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.beside(p.b, p.a); !errors.Is(err, ErrFull) {
		t.Errorf("a fourth carrier, three allowed: %v", err)
	}
	exchange(t, p.a, p.b, 8<<20)
	for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
		l.mu.Lock()
		if len(l.carriers) != 3 {
			t.Errorf("%s has %d carriers, want 3", name, len(l.carriers))
		}
		l.mu.Unlock()
	}
}

func TestAnEndThatUsesOneCarrierTakesNoneBesideIt(t *testing.T) {
	leakless(t)
	p := newPair(t, Config{}, tcpPair)
	p.a.config.Spread = 4 // only this end would
	before, _ := p.b.Carrier()
	if err := p.beside(p.a, p.b); !errors.Is(err, ErrFull) {
		t.Errorf("Attach gives %v", err)
	}
	exchange(t, p.a, p.b, 1<<10)
	if after, ok := p.b.Carrier(); !ok || after.Conn != before.Conn {
		t.Error("the refused carrier changed which one is in use")
	}
}
