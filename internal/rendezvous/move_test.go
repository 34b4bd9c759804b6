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
