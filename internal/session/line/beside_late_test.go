package line

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestAPathThatDiesTakesAllItsCarriersWithIt has the path of three carriers die, of which one was in use alone: nothing was due by the others, so
// that they are not late when a worse carrier comes in their stead.
func TestAPathThatDiesTakesAllItsCarriersWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{Spread: 3}, pipePair)
		path := make(chan struct{})
		p.dial = func(testing.TB) (net.Conn, net.Conn) {
			a, b := net.Pipe()
			return &blackhole{Conn: a, dead: path}, b
		}
		if err := p.attach(p.a, p.b, 1); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			near, far := p.dial(t)
			if err := joinAs(p.a, p.b, near, far, Carrier{Rank: 1, Beside: true, Label: uint8(1)}); err != nil {
				t.Fatal(err)
			}
		}
		exchange(t, p.a, p.b, 1<<10)
		exchange(t, p.b, p.a, 1<<10)
		time.Sleep(time.Second)
		close(path)
		for _, l := range []*Line{p.a, p.b} {
			l.Write([]byte("x"))
		}
		for !p.a.Late() {
			<-p.a.Changed()
		}
		p.dial = pipePair
		worse := time.Now()
		if err := p.attach(p.a, p.b, 0); err != nil {
			t.Fatal(err)
		}
		for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
			if _, err := io.ReadFull(l, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(worse); took > 0 {
				t.Errorf("what was on its way to %s came %v after the next carrier", name, took)
			}
		}
		for began := time.Now(); time.Since(began) < 3*doubtTime; time.Sleep(100 * time.Millisecond) {
			at := time.Now()
			exchange(t, p.a, p.b, 1<<10)
			if took := time.Since(at); took > 2*ackDelay {
				t.Errorf("a carrier that is dead was used again %v after another came: bytes took %v", time.Since(began), took)
			}
		}
		for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
			if n := l.held(); n != 1 {
				t.Errorf("%s has %d carriers", name, n)
			}
		}
	})
}
