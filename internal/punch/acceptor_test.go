package punch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// door is an acceptor at work in a bubble.
type door struct {
	t        *testing.T
	net      memNet
	acceptor *Acceptor
	arrivals arrivals
	served   chan error
}

func openDoor(t *testing.T, a *Acceptor) *door {
	d := &door{t: t, acceptor: a, arrivals: make(arrivals), served: make(chan error, 1)}
	go func() { d.served <- a.Serve(t.Context(), d.arrivals) }()
	return d
}

// knock has a connection come in from an address; the test holds the other end.
func (d *door) knock(from string, says []byte) *memConn {
	remote := netip.AddrPortFrom(netip.MustParseAddr(from), 5000)
	outside, inside := d.net.pair(remote, addr("a"), 0)
	if len(says) > 0 {
		outside.Write(says)
	}
	d.arrivals <- inside
	synctest.Wait()
	return outside
}

// isClosed tells whether the acceptor has closed the connection, without having said anything.
func (d *door) isClosed(c *memConn) bool {
	d.t.Helper()
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	if said := c.peer.said; len(said) > 0 {
		d.t.Errorf("the acceptor said %q", said)
	}
	return c.peer.closed
}

func (d *door) shut() {
	d.t.Helper()
	close(d.arrivals)
	if err := <-d.served; err != nil {
		d.t.Errorf("Serve: %v", err)
	}
}

func preface(attempt byte) []byte { return wire.Preface{Attempt: wire.AttemptID{attempt}}.Append(nil) }

func TestAConnectionGoesToTheAttemptItNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, &Acceptor{})
		ones, forgetOnes := d.acceptor.Expect(wire.AttemptID{1})
		twos, forgetTwos := d.acceptor.Expect(wire.AttemptID{2})
		d.knock("192.0.2.2", append(preface(2), "and more"...))
		d.knock("192.0.2.1", preface(1))
		if c := <-ones; remoteAddr(c).Addr() != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("attempt 1 got the connection from %v", remoteAddr(c))
		}
		c := <-twos
		rest := make([]byte, 8)
		if _, err := io.ReadFull(c, rest); err != nil || string(rest) != "and more" {
			t.Errorf("after the preface comes %q, %v", rest, err)
		}
		forgetOnes()
		forgetTwos()
		d.shut()
	})
}

func TestAnUnexpectedAttemptMayBeTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Acceptor{}
		var asked []wire.AttemptID
		var ones <-chan net.Conn
		a.Unexpected = func(attempt wire.AttemptID, from netip.AddrPort) bool {
			asked = append(asked, attempt)
			if attempt != (wire.AttemptID{1}) || from.Addr() != netip.MustParseAddr("192.0.2.1") {
				return false
			}
			ones, _ = a.Expect(attempt)
			return true
		}
		d := openDoor(t, a)
		d.knock("192.0.2.1", preface(1))
		if c := <-ones; remoteAddr(c).Addr() != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("the attempt got the connection from %v", remoteAddr(c))
		}
		stranger := d.knock("192.0.2.2", preface(2))
		time.Sleep(identifyTimeout + time.Second)
		if !d.isClosed(stranger) {
			t.Error("a stranger is kept")
		}
		if len(asked) != 2 {
			t.Errorf("asked about %v, want each once", asked)
		}
		d.shut()
	})
}

func TestStrangersAtTheDoorAreClosedWithoutAWord(t *testing.T) {
	for name, test := range map[string]struct {
		says  string
		after time.Duration
	}{
		"garbage":            {"GET / HTTP/1.1\r\nHost: x\r\n", 0},
		"a TLS hello":        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 random random", 0},
		"half a preface":     {string(preface(1)[:12]), identifyTimeout},
		"nothing":            {"", identifyTimeout},
		"an unknown attempt": {string(preface(9)), identifyTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := openDoor(t, &Acceptor{})
				_, forget := d.acceptor.Expect(wire.AttemptID{1})
				defer forget()
				c := d.knock("192.0.2.1", []byte(test.says))
				if test.after > 0 {
					time.Sleep(test.after - time.Nanosecond)
					synctest.Wait()
					if d.isClosed(c) {
						t.Errorf("closed before %v", test.after)
					}
					time.Sleep(time.Nanosecond)
					synctest.Wait()
				}
				if !d.isClosed(c) {
					t.Errorf("open after %v", test.after)
				}
				d.shut()
			})
		})
	}
}

func TestAConnectionThatComesBeforeItsIntroductionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, &Acceptor{})
		outside := d.knock("192.0.2.1", preface(1))
		time.Sleep(time.Second)
		_, forgetOther := d.acceptor.Expect(wire.AttemptID{2})
		defer forgetOther()
		accepted, forget := d.acceptor.Expect(wire.AttemptID{1})
		defer forget()
		c := <-accepted
		time.Sleep(time.Minute) // the time it had to identify itself is over, and is not the attempt's
		io.WriteString(outside, "x")
		if err := hear(c, 'x'); err != nil {
			t.Errorf("read a minute later: %v", err)
		}
		d.shut()
	})
}

// A preface that is complete in the very moment when its time is over gives a whole connection or none.
func TestAConnectionIsHandedOverWithoutADeadline(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			d := openDoor(t, &Acceptor{})
			accepted, forget := d.acceptor.Expect(wire.AttemptID{1})
			defer forget()
			outside, inside := d.net.pair(addr("x"), addr("a"), 0)
			time.AfterFunc(identifyTimeout, func() { outside.Write(preface(1)) }) // before the acceptor's own timer
			d.arrivals <- inside
			select {
			case c := <-accepted:
				time.Sleep(time.Second)
				io.WriteString(outside, "x")
				if err := hear(c, 'x'); err != nil {
					t.Errorf("read what was accepted: %v", err)
				}
			case <-time.After(identifyTimeout + time.Second):
				if !d.isClosed(outside) {
					t.Error("neither accepted nor closed")
				}
			}
			d.shut()
		})
	}
}

func TestWhatNobodyTakesIsClosed(t *testing.T) {
	t.Run("when the attempt is forgotten", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := openDoor(t, &Acceptor{})
			_, forget := d.acceptor.Expect(wire.AttemptID{1})
			c := d.knock("192.0.2.1", preface(1))
			forget()
			forget() // as with Close, twice is fine
			synctest.Wait()
			if !d.isClosed(c) {
				t.Error("open")
			}
			d.shut()
		})
	})
	t.Run("when the acceptor ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := openDoor(t, &Acceptor{})
			_, forget := d.acceptor.Expect(wire.AttemptID{1})
			defer forget()
			waiting := []*memConn{d.knock("192.0.2.1", preface(1)), d.knock("192.0.2.1", preface(3)), d.knock("192.0.2.1", nil)}
			began := time.Now()
			d.shut()
			if took := time.Since(began); took > 0 {
				t.Errorf("the acceptor took %v to end", took)
			}
			for i, c := range waiting {
				if !d.isClosed(c) {
					t.Errorf("connection %d is open", i)
				}
			}
		})
	})
}

func TestUnidentifiedConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, &Acceptor{})
		open := func(conns []*memConn) (n int) {
			for _, c := range conns {
				if !d.isClosed(c) {
					n++
				}
			}
			return n
		}
		var here []*memConn
		for i := range 20 {
			here = append(here, d.knock("192.0.2.1", nil), d.knock(fmt.Sprintf("2001:db8:0:1::%x", i+1), nil))
		}
		if got := open(here); got != 2*DefaultPerAddress || open(here[len(here)-got:]) != got {
			t.Errorf("of 40 from one IPv4 address and one IPv6 /64, %d are open, want the last %d", got, 2*DefaultPerAddress)
		}
		for i := range 2 * DefaultLimit {
			here = append(here, d.knock(fmt.Sprintf("198.51.100.%d", i%250), nil))
		}
		if got := open(here); got != DefaultLimit || open(here[len(here)-got:]) != got {
			t.Errorf("%d are open, want the last %d", got, DefaultLimit)
		}
		time.Sleep(identifyTimeout)
		synctest.Wait()
		if got := open(here); got != 0 || len(d.acceptor.guests) != 0 {
			t.Errorf("%d open, %d counted after their time", got, len(d.acceptor.guests))
		}
		d.shut()
	})
}

// Seen to fail where a full acceptor takes nobody: 16 addresses kept every peer out.
func TestStrangersWhoWaitKeepNoPeerOut(t *testing.T) {
	for name, says := range map[string][]byte{"silent": nil, "with half a preface": preface(9)[:7], "with an attempt that is none": preface(9)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := openDoor(t, &Acceptor{})
				accepted, forget := d.acceptor.Expect(wire.AttemptID{1})
				defer forget()
				flood := func(count int) {
					for i := range count {
						d.knock(fmt.Sprintf("198.51.100.%d", i%16), says)
					}
				}
				flood(2 * DefaultLimit)
				early := d.knock("198.51.100.3", preface(1)) // from an address of theirs, and nobody takes it yet
				flood(2 * DefaultLimit)
				late := d.knock("203.0.113.1", nil) // its preface is on its way
				flood(DefaultLimit - 8)
				late.Write(preface(1))
				synctest.Wait()
				for range 2 {
					select {
					case c := <-accepted:
						c.Close()
					case <-time.After(time.Minute):
						t.Error("the peer was kept out")
					}
				}
				synctest.Wait()
				if len(d.acceptor.guests) > DefaultLimit {
					t.Errorf("%d places are taken, want %d", len(d.acceptor.guests), DefaultLimit)
				}
				early.Close()
				late.Close()
				d.shut()
			})
		})
	}
}

func TestThereIsNoPlaceWhereAllAreExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, &Acceptor{Limit: 2})
		accepted, forget := d.acceptor.Expect(wire.AttemptID{1})
		defer forget()
		d.knock("192.0.2.1", preface(1))
		d.knock("192.0.2.2", preface(1))
		if !d.isClosed(d.knock("192.0.2.3", preface(1))) {
			t.Error("there was room beyond the limit")
		}
		for range 2 {
			(<-accepted).Close()
		}
		d.shut()
	})
}

func TestAFailingAcceptIsTriedAgainAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			var a Acceptor
			done <- a.Serve(ctx, acceptFunc(func() (net.Conn, error) {
				calls++
				return nil, errors.New("too many open files")
			}))
		}()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if calls < 10 || calls > 20 {
			t.Errorf("%d calls in 10 s, want about 17", calls)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	})
}

type acceptFunc func() (net.Conn, error)

func (f acceptFunc) Accept() (net.Conn, error) { return f() }
