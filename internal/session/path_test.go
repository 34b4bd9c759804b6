package session

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

func TestDeadPathIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		busy bool // a stream writes all the time
		want time.Duration
	}{
		"idle":    {false, 31 * time.Second},
		"sending": {true, 16*time.Second + 50*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				hole := &blackhole{Conn: a, dead: make(chan struct{})}
				near, far := lines(t, hole, b, line.Config{Wait: 10 * time.Second})
				client, server := over(t, near, far, Config{Linger: -1})
				opened, accepted := connected(t, client, server)
				var writer sync.WaitGroup
				defer writer.Wait()
				if test.busy {
					writer.Go(func() { // in virtual time, as fast as possible would be for ever
						for err := error(nil); err == nil; time.Sleep(50 * time.Millisecond) {
							_, err = opened.Write(make([]byte, 1<<10))
						}
					})
					go io.Copy(io.Discard, accepted)
				}
				time.Sleep(10 * time.Minute) // idle sessions live on
				if err := client.Err(); err != nil {
					t.Fatalf("before the path dies: %v", err)
				}
				close(hole.dead)
				start := time.Now()
				<-client.Done()
				if took := time.Since(start); took > test.want {
					t.Errorf("noticed after %v, want %v", took, test.want)
				}
				if err := client.Err(); !errors.Is(err, ErrCarrierLost) {
					t.Errorf("reason is %v", err)
				}
			})
		})
	}
}

func TestIdleSessionSaysSomethingEvery15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		watch := &watched{Conn: a}
		join(t, watch, b, Config{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if watch.longest > 16*time.Second || watch.longest < 10*time.Second {
			t.Errorf("longest silence was %v", watch.longest)
		}
		t.Logf("an idle hour costs %d writes, %d bytes one way", watch.writes, watch.bytes)
	})
}

func TestPingMeasuresTheRoundTrip(t *testing.T) {
	leakless(t)
	a, b := tcpPair(t)
	client, _ := join(t, a, b, Config{})
	stopwatch.Within(t, time.Second, func() time.Duration {
		rtt, err := client.Ping(t.Context())
		if err != nil || rtt <= 0 {
			t.Errorf("round trip is %v, %v", rtt, err)
		}
		return rtt
	})
}

// A blackhole is a connection that takes writes and loses them once it is dead, as a cut link does for as long as the
// kernel has room, and that gives nothing to read.
type blackhole struct {
	net.Conn
	dead chan struct{}
}

func (b *blackhole) Write(p []byte) (int, error) {
	select {
	case <-b.dead:
		return len(p), nil
	default:
		return b.Conn.Write(p)
	}
}

func (b *blackhole) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	select {
	case <-b.dead:
		if err == nil {
			return b.Read(p)
		}
	default:
	}
	return n, err
}

// watched notes the silences between writes.
type watched struct {
	net.Conn
	last          time.Time
	longest       time.Duration
	writes, bytes int
}

func (w *watched) Write(p []byte) (int, error) {
	now := time.Now()
	if !w.last.IsZero() {
		w.longest = max(w.longest, now.Sub(w.last))
	}
	w.last = now
	w.writes++
	w.bytes += len(p)
	return w.Conn.Write(p)
}
