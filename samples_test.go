//go:build !race

// It plays on memory_test.go's network, which the race detector makes slow.

package bodkin

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// TestAServerThatWantsSamplesWithoutEndIsBounded: each takes a mapping of the network, which may have few, however soon it is over.
//
// Seen to fail: without the limit, 1,000 at once.
func TestAServerThatWantsSamplesWithoutEndIsBounded(t *testing.T) {
	playPair(t, func(p *virtualPair) {
		n := p.nodes[0]
		taken := 0
		for range 1000 {
			n.takeSample(func(context.Context) { taken++ })
			synctest.Wait()
		}
		if taken > samplesInARow || taken < 10*samplesAtOnce {
			t.Errorf("%d samples at once, want at most %d, and not so few that many attempts go without", taken, samplesInARow)
		}
		time.Sleep(time.Second)
		before := taken
		n.takeSample(func(context.Context) { taken++ })
		synctest.Wait()
		if taken != before+1 {
			t.Error("none is taken a second later")
		}
	})
}

// TestAnAttemptHasAsManySecondPortsAsRounds: a server may ask for samples that are kept as often as it likes.
//
// Seen to fail: with all of them kept until the attempt is over.
func TestAnAttemptHasAsManySecondPortsAsRounds(t *testing.T) {
	playPair(t, func(p *virtualPair) {
		a := &attempt{done: make(chan struct{})}
		var all []*spare
		for range 10 {
			s, err := p.nodes[0].newSpare(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			a.keep(s)
			all = append(all, s)
		}
		open := func() (n int) {
			for _, s := range all {
				if !s.closed {
					n++
				}
			}
			return n
		}
		if n := open(); n != wire.MaxRounds {
			t.Errorf("%d ports are open, want %d", n, wire.MaxRounds)
		}
		a.closeSpares()
		if n := open(); n != 0 {
			t.Errorf("%d ports are open in the end", n)
		}
	})
}
