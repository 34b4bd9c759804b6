package rendezvous

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestAClientThatMovedConnectsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		welcome := &wire.Welcome{PingIntervalMs: 20_000, ReconnectSpreadMs: 3_600_000}
		go s.welcomed(welcome).pong(0)
		synctest.Wait()
		for range 3 {
			moved := time.Now()
			s.client.Moved()
			go s.welcomed(welcome).pong(0)
			synctest.Wait()
			if after := time.Since(moved); after != 0 || !s.client.State().Connected {
				t.Errorf("came back after %v", after)
			}
		}
	})
}

func TestMovedCutsThePauseAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.refuse.Store(true)
		s.run()
		time.Sleep(10 * time.Minute) // the pauses are up to 30 s by now
		s.refuse.Store(false)
		moved := time.Now()
		s.client.Moved()
		go s.welcomed(plainWelcome).pong(0)
		synctest.Wait()
		if after := time.Since(moved); after != 0 {
			t.Errorf("came back after %v", after)
		}
	})
}

func TestMovedEndsAConnectionAttemptThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := true
		s := newStage(t, func(c *ClientConfig) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
				if hangs {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return dial(ctx, remote)
			}
		})
		s.run()
		synctest.Wait()
		hangs = false
		registered := make(chan error, 1)
		go func() { _, err := s.client.Registered(t.Context()); registered <- err }()
		synctest.Wait()
		moved := time.Now()
		s.client.Moved()
		go s.welcomed(plainWelcome).pong(0)
		if err := <-registered; err != nil {
			t.Errorf("who waited for the registration was told %v", err)
		}
		if after := time.Since(moved); after != 0 {
			t.Errorf("registered after %v", after)
		}
	})
}

func TestCheckReplacesAConnectionThatIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		s.welcomed(plainWelcome) // and is silent
		synctest.Wait()
		time.Sleep(time.Second)
		checked := time.Now()
		s.client.Check()
		p := s.welcomed(plainWelcome)
		if after := time.Since(checked); after != checkTimeout {
			t.Errorf("replaced after %v, want %v", after, checkTimeout)
		}
		go p.pong(100 * time.Millisecond)
		time.Sleep(time.Minute)
		for range 3 {
			s.client.Check()
			time.Sleep(time.Minute)
		}
		if len(s.dialed) > 0 || !s.client.State().Connected {
			t.Error("replaced a connection that works")
		}
	})
}

// TestAServerThatAnswersElsewhereIsNotWaitedFor has a main connection be dead, or slow, while the server answers on a hole connection.
func TestAServerThatAnswersElsewhereIsNotWaitedFor(t *testing.T) {
	const trip = 40 * time.Millisecond // there and back on a hole connection
	for name, c := range map[string]struct {
		seen string        // where the hole connection comes from
		pong time.Duration // zero: none
		want time.Duration // until the connection is replaced; zero: it stays
	}{
		"dead":                       {"203.0.113.7:30000", 0, trip + witnessMargin},
		"dead, with another address": {"203.0.113.8:30000", 0, trip},
		"well":                       {"203.0.113.7:30000", trip / 2, 0},
		"slow":                       {"203.0.113.7:30000", trip + witnessMargin/2, 0},
		"well, with another address": {"203.0.113.8:30000", trip / 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, nil)
				s.run()
				welcome := &wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken}
				main := s.welcomed(welcome)
				s.hole(8000).shows("203.0.113.7:30000")
				time.Sleep(time.Second)
				for len(main.said) > 0 {
					<-main.said
				}
				checked := time.Now()
				s.client.Check()
				if c.pong != 0 {
					go main.pong(c.pong)
				}
				hole := s.hole(8000)
				time.Sleep(trip)
				hole.shows(c.seen)
				time.Sleep(checkTimeout / 2)
				if c.want == 0 {
					if len(s.dialed) > 0 || !s.client.State().Connected {
						t.Error("replaced a connection that works")
					}
					return
				}
				if len(s.dialed) == 0 {
					t.Fatal("not replaced")
				}
				s.welcomed(welcome)
				if after := (<-main.closed).Sub(checked); after != c.want {
					t.Errorf("replaced after %v, want %v", after, c.want)
				}
			})
		})
	}
}

// TestOneHoleConnectionAtATimeGoesToAnEndpoint has a network change ask on a hole connection and measure anew at the same moment: both leave from
// the node's port, so the system has no room for the second before the first is over.
func TestOneHoleConnectionAtATimeGoesToAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		main := s.welcomed(&wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken})
		main.servesAfter(10*samplePause, always()) // so the check is not answered before there is a witness
		s.hole(8000).shows("203.0.113.7:30000")
		time.Sleep(time.Second)
		s.client.Check()
		s.client.Remeasure()
		for range 2 {
			hole := s.hole(8000)
			time.Sleep(samplePause)
			if n := len(s.dialed); n > 0 {
				t.Errorf("%d more while there is one", n)
			}
			hole.shows("203.0.113.7:30000")
		}
		time.Sleep(time.Second) // the answers are there
	})
}

func TestTheWitnessIsAskedOnlyWhileTheServerIsSilent(t *testing.T) {
	for _, isSuspect := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			dialled := 0
			c := NewClient(ClientConfig{Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
				dialled++
				return nil, net.ErrClosed
			}})
			s := &mainConn{client: c, holePorts: []uint32{8000},
				state: State{Remote: netip.MustParseAddrPort("203.0.113.10:4000")}}
			s.suspected, s.suspect = make(chan struct{}, 1), isSuspect
			s.suspected <- struct{}{}
			ctx, cancel := context.WithCancel(t.Context())
			go s.witness(ctx)
			synctest.Wait()
			cancel()
			synctest.Wait()
			if want := map[bool]int{true: 1}[isSuspect]; dialled != want {
				t.Errorf("suspect %v: %d hole connections, want %d", isSuspect, dialled, want)
			}
		})
	}
}
