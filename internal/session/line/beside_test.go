package line

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// beside gives both ends a carrier to use in addition to those that they have.
func (p *pair) beside(first, second *Line) error {
	near, far := p.dial(p.t)
	return joinAs(first, second, near, far, Carrier{Beside: true})
}

func TestCarriersStayBesideEachOtherUpToSpreadUntilIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{Spread: 3}, pipePair)
		for range 2 {
			if err := p.beside(p.a, p.b); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.beside(p.b, p.a); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth carrier, three allowed: %v", err)
		}
		exchange(t, p.a, p.b, 8<<20)
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{0, 3}, {spareTime + idleTime, 1}} {
			time.Sleep(c.after)
			for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
				if n := l.held(); n != c.want {
					t.Errorf("%s has %d carriers after %v, want %d", name, n, c.after, c.want)
				}
				l.mu.Lock()
				if c.want == 1 && l.watching {
					t.Errorf("%s is idle, and still looks", name)
				}
				l.mu.Unlock()
			}
		}
		exchange(t, p.a, p.b, 1<<10)
	})
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

// held is how many carriers the line has.
func (l *Line) held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.carriers)
}

// force has an end use as many carriers as it has, as if that had been found to bring more.
func force(l *Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spread.want = l.config.Spread
	l.assign(time.Now())
	l.wakeWriter()
}

func TestNothingIsLostOrRepeatedWhenSomeOfSeveralCarriersDie(t *testing.T) {
	leakless(t)
	p := newPair(t, Config{Spread: 4, Silence: 30 * time.Second}, tcpPair)
	stop := make(chan struct{})
	var chaos sync.WaitGroup
	kills, most := 0, 0
	chaos.Go(func() {
		random := rand.New(rand.NewPCG(3, 4))
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(random.IntN(10)) * time.Millisecond):
			}
			first, second := p.a, p.b
			if random.IntN(2) == 0 {
				first, second = second, first
			}
			if random.IntN(3) == 0 && killOne(first, random) {
				kills++
			}
			p.beside(first, second) // fails where there are enough
			force(p.a)
			force(p.b)
			most = max(most, p.a.Stats().Carriers)
		}
	})
	exchange(t, p.a, p.b, 48<<20)
	close(stop)
	chaos.Wait()
	t.Logf("%d carriers were killed, up to %d were in use; %d and %d bytes went again", kills, most, p.a.Stats().Repeated, p.b.Stats().Repeated)
	if kills < 3 || most < 3 {
		t.Errorf("only %d carriers were killed, and only %d were in use", kills, most)
	}
}

// killOne ends any of the carriers, as a reset does.
func killOne(l *Line, random *rand.Rand) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.carriers) == 0 {
		return false
	}
	tcp := l.carriers[random.IntN(len(l.carriers))].Conn.(*net.TCPConn)
	tcp.SetLinger(0)
	tcp.Close()
	return true
}

// A throttle is a connection that takes so many bytes a second.
type throttle struct {
	net.Conn
	rate float64
}

func (c *throttle) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		part := p[:min(len(p), 16<<10)]
		time.Sleep(time.Duration(float64(len(part)) / c.rate * float64(time.Second)))
		var more int
		more, err = c.Conn.Write(part)
		n += more
		p = p[len(part):]
	}
	return n, err
}

// throttled makes carriers that take as many bytes a second as is said, one after the other.
func throttled(rates ...float64) func(testing.TB) (net.Conn, net.Conn) {
	return func(testing.TB) (net.Conn, net.Conn) {
		a, b := net.Pipe()
		rate := rates[0]
		rates = rates[1:]
		return &throttle{a, rate}, &throttle{b, rate}
	}
}

func TestASlowCarrierDoesNotHoldBackAFastOne(t *testing.T) {
	for name, slow := range map[string]float64{"ten times as slow": 1e6, "1 Mbit/s": 125e3, "a thousand times as slow": 1e4} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const fast, size = 10e6, 64 << 20
				p := newPair(t, Config{Spread: 2}, throttled(fast, slow))
				if err := p.beside(p.a, p.b); err != nil {
					t.Fatal(err)
				}
				force(p.a)
				start := time.Now()
				transfer(t, p.a, p.b, size)
				took := time.Since(start).Seconds()
				if alone := size / fast; took > 1.06*alone {
					t.Errorf("took %.2f s, and the fast one alone takes %.2f", took, alone)
				}
			})
		})
	}
}

// TestSeveralCarriersKeepNoMoreThanBufferAndWindow sends by carriers of very different rates, so that much waits for what is on the slow
// ones, and looks at the memory of both ends all the while.
func TestSeveralCarriersKeepNoMoreThanBufferAndWindow(t *testing.T) {
	for _, c := range []struct{ window, buffer int }{{1 << 20, 8 << 20}, {8 << 20, 1 << 20}} {
		synctest.Test(t, func(t *testing.T) { severalWithin(t, c.window, c.buffer) })
	}
}

func severalWithin(t *testing.T, window, buffer int) {
	t.Helper()
	const size = 64 << 20
	p := newPair(t, Config{Spread: 4, Window: window, Buffer: buffer}, throttled(10e6, 8e6, 1e6, 1e5))
	for range 3 {
		if err := p.beside(p.a, p.b); err != nil {
			t.Fatal(err)
		}
	}
	force(p.a)
	done := make(chan struct{})
	go func() {
		defer close(done)
		transfer(t, p.a, p.b, size)
	}()
	var kept, held, several int
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		case <-time.After(time.Millisecond):
		}
		p.a.mu.Lock()
		kept, several = max(kept, len(p.a.out.chunks)*chunkSize), max(several, p.a.several)
		p.a.mu.Unlock()
		p.b.mu.Lock()
		held = max(held, p.b.in.held*chunkSize)
		p.b.mu.Unlock()
	}
	t.Logf("sender kept up to %d KiB, receiver %d KiB", kept>>10, held>>10)
	if several != 4 {
		t.Errorf("%d carriers were in use", several)
	}
	if kept > buffer+2*chunkSize {
		t.Errorf("sender kept %d bytes, its buffer is %d", kept, buffer)
	}
	if held > 2*window { // a piece begins in its chunk where it does at the sender, behind a part that may stay empty
		t.Errorf("receiver held %d bytes, its window is %d", held, window)
	}
}

func TestWhatADeadCarrierHoldsGoesByAnotherBeforeItIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hole := &blackhole{dead: make(chan struct{})}
		conns := throttled(5e6, 5e6)
		p := newPair(t, Config{Spread: 2}, conns)
		p.dial = func(t testing.TB) (net.Conn, net.Conn) {
			a, b := conns(t)
			hole.Conn = a
			return hole, b
		}
		if err := p.beside(p.a, p.b); err != nil {
			t.Fatal(err)
		}
		force(p.a)
		time.AfterFunc(2*time.Second, func() { close(hole.dead) })
		var longest time.Duration
		last := time.Now()
		go func() {
			io.Copy(struct{ io.Writer }{p.a}, source(1, 32<<20))
		}()
		hash := sha256.New()
		buffer := make([]byte, 256<<10)
		for got := 0; got < 32<<20; {
			n, err := p.b.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			hash.Write(buffer[:n])
			got += n
			longest = max(longest, time.Since(last))
			last = time.Now()
		}
		if got := fmt.Sprintf("%x", hash.Sum(nil)); got != digest(1, 32<<20) {
			t.Error("not what was sent")
		}
		if longest > time.Second {
			t.Errorf("nothing came for %v; silence is noticed after 6 s", longest)
		}
	})
}

// transfer sends from one end to the other, and checks.
func transfer(t *testing.T, from, to *Line, size int64) {
	t.Helper()
	go io.Copy(struct{ io.Writer }{from}, source(1, size))
	hash := sha256.New()
	n, err := io.CopyN(hash, to, size)
	if got := fmt.Sprintf("%x", hash.Sum(nil)); err != nil || got != digest(1, size) {
		t.Errorf("after %d of %d bytes: %v; digest %.8s, want %.8s", n, size, err, got, digest(1, size))
	}
}

func TestALineAsksForCarriersWhileTheyBringMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 2e6
		conns := throttled(rate, rate, rate, rate)
		var p *pair
		more := make(chan struct{}, 4)
		config := Config{Spread: 4, More: func() {
			select {
			case more <- struct{}{}:
			default:
			}
		}}
		p = newPair(t, config, conns)
		stop := make(chan struct{})
		var owner sync.WaitGroup
		owner.Go(func() {
			for {
				select {
				case <-more:
					if err := p.beside(p.a, p.b); err != nil {
						t.Error(err)
					}
				case <-stop:
					return
				}
			}
		})
		transfer(t, p.a, p.b, 16<<20) // some of it while trying
		if n := p.a.Stats().Carriers; n != 4 {
			t.Errorf("%d carriers are in use after %d bytes", n, 16<<20)
		}
		start := time.Now()
		transfer(t, p.a, p.b, 32<<20)
		if took, alone := time.Since(start).Seconds(), (32<<20)/rate; took > alone/3.5 {
			t.Errorf("took %.2f s, one carrier takes %.2f", took, alone)
		}
		time.Sleep(spareTime + idleTime + time.Second)
		for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
			if n := l.held(); n != 1 {
				t.Errorf("%s has %d carriers while idle", name, n)
			}
		}
		close(stop)
		owner.Wait()
	})
}

func TestTheOwnerPutsDownSomeOfThoseBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{Spread: 4}, pipePair)
		for i := range 3 {
			near, far := p.dial(t)
			if err := joinAs(p.a, p.b, near, far, Carrier{Beside: true, Label: i}); err != nil {
				t.Fatal(err)
			}
		}
		force(p.a)
		go p.a.Write(make([]byte, 1<<20))
		p.b.Shed(func(c Carrier) bool { return c.Label != 1 }) // the first, which has no label, is not beside another
		if _, err := io.ReadFull(p.b, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
			if n := l.held(); n != 2 {
				t.Errorf("%s has %d carriers, want 2", name, n)
			}
		}
	})
}
