package line

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestALateCarrierStaysUntilAnotherWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h holes
		var asked atomic.Int32
		p := newPair(t, Config{Quiet: func() { asked.Add(1) }}, h.dial)
		exchange(t, p.a, p.b, 1<<10)
		exchange(t, p.b, p.a, 1<<10)
		time.Sleep(20 * time.Second) // a round trip is known
		old := h.last
		close(old.dead)
		start := time.Now()
		p.a.Write([]byte("x"))
		for !p.a.Late() {
			<-p.a.Changed()
		}
		if took := time.Since(start); took > lateLeast+time.Millisecond {
			t.Errorf("late after %v, want %v", took, lateLeast)
		}
		if _, ok := p.a.Carrier(); !ok || asked.Load() == 0 {
			t.Errorf("carrier in use: %v; owner told %d times", ok, asked.Load())
		}
		if err := p.attach(p.a, p.b, 0); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if _, err := io.ReadFull(p.b, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(now); took > 0 {
			t.Errorf("what was on its way by the late carrier came %v after the next", took)
		}
		if p.a.Late() {
			t.Error("still late")
		}
		exchange(t, p.a, p.b, 1<<10)
		exchange(t, p.b, p.a, 1<<10)
	})
}

// TestADeadCarrierIsGivenUpAlthoughItsSuccessorBringsTheAnswers has everything acknowledged that went out by a dead carrier, which owes an
// answer all the same: to the ping that it cannot take. Its buffers are full, so that the ping does not leave.
func TestADeadCarrierIsGivenUpAlthoughItsSuccessorBringsTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first *grave
		p := newPair(t, Config{}, func(testing.TB) (net.Conn, net.Conn) {
			a, b := net.Pipe()
			g := &grave{Conn: a, dead: make(chan struct{}), closed: make(chan struct{})}
			if first == nil {
				first = g
			}
			return g, b
		})
		exchange(t, p.a, p.b, 1<<10)
		exchange(t, p.b, p.a, 1<<10)
		close(first.dead)
		p.a.Write([]byte("x"))
		for !p.a.Late() {
			<-p.a.Changed()
		}
		if err := p.attach(p.a, p.b, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(p.b, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * doubtTime)
		p.a.mu.Lock()
		left := len(p.a.carriers)
		p.a.mu.Unlock()
		if left != 1 {
			t.Errorf("%d carriers are left, want 1", left)
		}
	})
}

// A grave is a connection that takes and gives nothing once it is dead, and does not end either, until this end closes it.
type grave struct {
	net.Conn
	dead, closed chan struct{}
	once         sync.Once
}

func (g *grave) Write(b []byte) (int, error) {
	select {
	case <-g.dead:
		<-g.closed
		return 0, net.ErrClosed
	default:
		return g.Conn.Write(b)
	}
}

func (g *grave) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	select {
	case <-g.dead:
		<-g.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (g *grave) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Conn.Close()
}

func TestALateCarrierThatSpeaksAgainIsLateNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &pausing{}
		p := newPair(t, Config{}, func(testing.TB) (net.Conn, net.Conn) {
			a, b := net.Pipe()
			slow.Conn = a
			return slow, b
		})
		exchange(t, p.a, p.b, 1<<10)
		exchange(t, p.b, p.a, 1<<10)
		carrier, _ := p.a.Carrier()
		slow.pause.Store(int64(2 * time.Second))
		p.a.Write([]byte("x"))
		for !p.a.Late() {
			<-p.a.Changed()
		}
		slow.pause.Store(0)
		if _, err := io.ReadFull(p.b, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if now, ok := p.a.Carrier(); p.a.Late() || !ok || now.Conn != carrier.Conn {
			t.Errorf("late %v, carrier in use %v", p.a.Late(), ok)
		}
	})
}

// pausing is a connection whose writes take a while.
type pausing struct {
	net.Conn
	pause atomic.Int64 // nanoseconds
}

func (p *pausing) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(p.pause.Load()))
	return p.Conn.Write(b)
}

// TestTheOwnerHearsWhenACarrierDied has one die that has a successor by then, and one that has none.
func TestTheOwnerHearsWhenACarrierDied(t *testing.T) {
	for _, replaced := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var h holes
			died := make(chan [2]time.Time, 1)
			config := Config{Died: func(c Carrier, heard, missed time.Time) {
				if _, near := c.Conn.(*blackhole); near {
					died <- [2]time.Time{heard, missed}
				}
			}}
			p := newPair(t, config, h.dial)
			exchange(t, p.a, p.b, 1<<10)
			heard := time.Now()
			time.Sleep(5 * time.Second) // in which it is asked once, as nothing comes any more
			close(h.last.dead)
			missed := time.Now()
			p.a.Write([]byte("x"))
			if replaced {
				for !p.a.Late() {
					<-p.a.Changed()
				}
				if err := p.attach(p.a, p.b, 0); err != nil {
					t.Fatal(err)
				}
			}
			times := <-died
			if times[0].Before(heard) || times[0].After(missed) || !times[1].Equal(missed) {
				t.Errorf("replaced %v: heard last %v and missed %v after the death", replaced, times[0].Sub(missed), times[1].Sub(missed))
			}
			time.Sleep(time.Minute) // the other end notices, too
		})
	}
}

// TestWhoOnlyReceivesNoticesADeadPath has data come, and then nothing.
func TestWhoOnlyReceivesNoticesADeadPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h holes
		p := newPair(t, Config{}, h.dial)
		exchange(t, p.a, p.b, 1<<10)
		exchange(t, p.b, p.a, 1<<10)
		time.Sleep(20 * time.Second)
		p.b.Write([]byte("x"))
		if _, err := io.ReadFull(p.a, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		close(h.last.dead)
		start := time.Now()
		for !p.a.Late() {
			<-p.a.Changed()
		}
		if took := time.Since(start); took > pause+lateLeast {
			t.Errorf("late after %v, want %v at most", took, pause+lateLeast)
		}
	})
}

// TestWhatAnOwnerAsksIsAnsweredOrLate asks on an idle line, as an owner does when the machine has slept.
func TestWhatAnOwnerAsksIsAnsweredOrLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h holes
		p := newPair(t, Config{}, h.dial)
		exchange(t, p.a, p.b, 1<<10)
		time.Sleep(20 * time.Second)
		p.a.Ask()
		time.Sleep(time.Second)
		if p.a.Late() {
			t.Error("late although it was answered")
		}
		close(h.last.dead)
		start := time.Now()
		p.a.Ask()
		for !p.a.Late() {
			<-p.a.Changed()
		}
		if took := time.Since(start); took > lateLeast+time.Millisecond {
			t.Errorf("late after %v, want %v", took, lateLeast)
		}
	})
}

// TestTheRoundTripIsMeasuredUnderLoad has a path become slow while data flows one way and then faster: both ends come to know.
func TestTheRoundTripIsMeasuredUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow [2]*pausing
		p := newPair(t, Config{}, func(testing.TB) (net.Conn, net.Conn) {
			a, b := net.Pipe()
			slow[0], slow[1] = &pausing{Conn: a}, &pausing{Conn: b}
			return slow[0], slow[1]
		})
		exchange(t, p.a, p.b, 1<<10)
		for _, delay := range []time.Duration{100 * time.Millisecond, 20 * time.Millisecond} {
			for _, s := range slow {
				s.pause.Store(int64(delay))
			}
			for begin := time.Now(); time.Since(begin) < 3*remeasure; time.Sleep(300 * time.Millisecond) {
				exchange(t, p.a, p.b, 1<<10)
			}
			for name, l := range map[string]*Line{"sender": p.a, "receiver": p.b} {
				if rtt := l.Stats().RTT; rtt < 2*delay || rtt > 4*delay {
					t.Errorf("with %v each way the %s has a round trip of %v", delay, name, rtt)
				}
			}
		}
	})
}
