package line

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// aside gives both ends a carrier that is aside.
func (p *pair) aside(first, second *Line, rank uint8) error {
	near, far := p.dial(p.t)
	return joinAs(first, second, near, far, Carrier{Rank: rank, Aside: true, Label: rank})
}

// pairWithOneAside is a line with a carrier of rank 2 in use, and one of rank 1 aside.
func pairWithOneAside(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, Config{}, pipePair)
	if err := errors.Join(p.attach(p.a, p.b, 2), p.aside(p.a, p.b, 1)); err != nil {
		t.Fatal(err)
	}
	return p
}

// ranks expects both ends to use a carrier of some rank, and to have so many.
func (p *pair) ranks(t *testing.T, what string, rank uint8, held int) {
	t.Helper()
	time.Sleep(time.Second)
	for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
		if c, ok := l.Carrier(); !ok || c.Rank != rank || l.held() != held {
			t.Errorf("%s: %s uses one of rank %d (%v) of %d, want rank %d of %d", what, name, c.Rank, ok, l.held(), rank, held)
		}
	}
	exchange(t, p.a, p.b, 64<<10)
	exchange(t, p.b, p.a, 64<<10)
}

// nameAside is the name of the carrier that is aside.
func nameAside(l *Line) uint64 {
	for _, g := range l.Gauges() {
		if !g.InUse {
			return g.Name
		}
	}
	return 0
}

func TestACarrierAsideIsUsedWhenTheEndThatBeganSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, pipePair)
		if err := errors.Join(p.attach(p.a, p.b, 2), p.aside(p.b, p.a, 1)); err != nil {
			t.Fatal(err)
		}
		p.ranks(t, "aside", 2, 2)
		if p.b.Use(nameAside(p.b)) {
			t.Error("the end that did not begin the line decides")
		}
		for range 3 {
			if !p.a.Use(nameAside(p.a)) {
				t.Error("cannot use the carrier that is aside")
			}
			p.ranks(t, "chosen", 1, 2)
			if !p.a.Chosen() || !p.b.Chosen() {
				t.Error("an end does not know that it was chosen")
			}
			if !p.a.Use(nameAside(p.a)) {
				t.Error("cannot go back")
			}
			p.ranks(t, "back", 2, 2)
		}
		p.a.PutDown(nameAside(p.a))
		p.ranks(t, "put down", 2, 1)
	})
}

func TestACarrierAsideIsUsedWhenThereIsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pairWithOneAside(t)
		kill(p.a)
		p.ranks(t, "the other is lost", 1, 1)
		if p.a.Chosen() || p.b.Chosen() {
			t.Error("nobody chose it")
		}
		if err := p.attach(p.a, p.b, 2); err != nil {
			t.Fatal(err)
		}
		p.ranks(t, "a better one has come", 2, 1)
	})
}

func TestWhatIsChosenStaysOverItsSuccessorAndEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pairWithOneAside(t)
		p.a.Use(nameAside(p.a))
		p.ranks(t, "chosen", 1, 2)
		if err := p.attach(p.b, p.a, 1); err != nil {
			t.Fatal(err)
		}
		p.ranks(t, "its successor", 1, 2)
		if !p.a.Chosen() || !p.b.Chosen() {
			t.Error("the successor does not count as chosen")
		}
		kill(p.b)
		p.ranks(t, "it is lost", 2, 1)
		if p.a.Chosen() || p.b.Chosen() {
			t.Error("what is left counts as chosen")
		}
	})
}

func TestOnlySoManyCarriersAreAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{Spread: 3}, pipePair)
		for range maxAside {
			if err := p.aside(p.a, p.b, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.aside(p.b, p.a, 0); !errors.Is(err, ErrFull) {
			t.Errorf("one more: %v", err)
		}
		for range 2 { // they take no room of those that are used
			if err := p.beside(p.a, p.b); err != nil {
				t.Fatal(err)
			}
		}
		p.ranks(t, "full", 0, 5)
		p.a.Use(nameAside(p.a))
		time.Sleep(time.Second)
		exchange(t, p.b, p.a, 1<<20)
	})
}

func TestAnOldWordOnWhichCarrierToUseChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, pipePair)
		if err := p.aside(p.a, p.b, 1); err != nil {
			t.Fatal(err)
		}
		p.a.Use(nameAside(p.a))
		p.a.Use(nameAside(p.a))
		time.Sleep(time.Second)
		p.b.mu.Lock()
		for _, c := range p.b.carriers {
			if c.Aside {
				p.b.obey(c, 1)
			}
		}
		p.b.mu.Unlock()
		p.ranks(t, "an old word", 0, 2)
	})
}

// TestAMoveLosesNothing moves a busy line to and fro between a slow carrier and a fast one, while carriers die now and then.
func TestAMoveLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		slow := func(testing.TB) (net.Conn, net.Conn) {
			a, b := net.Pipe()
			return &throttle{a, 1e6}, &throttle{b, 1e6}
		}
		p := newPair(t, Config{Spread: 2}, slow)
		const size = 16 << 20
		var there, back sum
		there.flow(p.a, p.b, size, 3)
		back.flow(p.b, p.a, size, 4)
		moves := 0
		for !there.over() || !back.over() {
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			p.dial = []func(testing.TB) (net.Conn, net.Conn){slow, pipePair}[random.IntN(2)]
			switch random.IntN(6) {
			case 0:
				p.aside(p.a, p.b, uint8(random.IntN(3))) // it may be full, or the line be over by now
			case 1:
				p.aside(p.b, p.a, uint8(random.IntN(3)))
			case 2, 3:
				if p.a.Use(nameAside(p.a)) {
					moves++
				}
			case 4:
				if p.a.held() > 1 && random.IntN(3) == 0 {
					kill(p.a)
				}
			case 5:
				p.a.PutDown(nameAside(p.a))
			}
		}
		there.check(t)
		back.check(t)
		if moves < 3 {
			t.Errorf("moved %d times only", moves)
		}
	})
}

// A sum is what flows one way, compared byte by byte.
type sum struct {
	done chan struct{}
	err  error
	bad  bool
}

func (s *sum) flow(from, to *Line, size int, seed uint64) {
	s.done = make(chan struct{})
	go func() {
		b := make([]byte, 64<<10)
		for at := 0; at < size; at += len(b) {
			for i := range b {
				b[i] = pattern(uint64(at+i) * seed)
			}
			from.Write(b) // the other end notices
		}
	}()
	go func() {
		defer close(s.done)
		b := make([]byte, 64<<10)
		for at := 0; at < size; at += len(b) {
			if _, s.err = io.ReadFull(to, b); s.err != nil {
				return
			}
			for i := range b {
				s.bad = s.bad || b[i] != pattern(uint64(at+i)*seed)
			}
		}
	}()
}

func (s *sum) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *sum) check(t *testing.T) {
	t.Helper()
	<-s.done
	if s.err != nil || s.bad {
		t.Errorf("got error %v, wrong bytes %v", s.err, s.bad)
	}
}
