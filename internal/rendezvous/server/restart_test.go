package server_test

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

// TestAllNodesSurviveARestart stops a server under many nodes and starts it again. All have to be back within the spread that the
// server asked for and a few seconds, with resumed sessions, and without one handshake that failed.
func TestAllNodesSurviveARestart(t *testing.T) {
	count := 400
	if raceDetector {
		count = 100 // a handshake takes ten times as long
	}
	stopwatch.Met(t, func() error {
		r := restartUnder(t, count)
		switch {
		case r.handshakes["failed"] > 0:
			return fmt.Errorf("%v handshakes failed", r.handshakes["failed"])
		case r.handshakes["resumed"] < float64(count)*0.9:
			return fmt.Errorf("%v of %d sessions were resumed", r.handshakes["resumed"], count)
		case r.all > restartSpread+8*time.Second:
			return fmt.Errorf("all back after %v, want within %v and a few seconds", r.all, restartSpread)
		}
		return nil
	})
}

// BenchmarkRestart is the same with 2,000 nodes, which is more than a busy machine can bring back in time.
func BenchmarkRestart(b *testing.B) {
	for b.Loop() {
		r := restartUnder(b, 2000)
		b.ReportMetric(r.half.Seconds(), "s-to-half")
		b.ReportMetric(r.all.Seconds(), "s-to-all")
		b.ReportMetric(r.handshakes["resumed"], "resumed")
		b.ReportMetric(0, "ns/op")
	}
}

// restartSpread is the time over which the servers of these tests ask their nodes to come back.
const restartSpread = 4 * time.Second

// A comeback is how the nodes of a server that was restarted came back.
type comeback struct {
	half, all  time.Duration // until half of them and all of them were there
	handshakes map[string]float64
}

func restartUnder(t testing.TB, count int) (r comeback) {
	limits := server.Limits{ConnectionsPerAddress: 1 << 20, ReconnectsPerSecond: count / int(restartSpread/time.Second),
		HandshakesPerAddress: 256, PingInterval: time.Second}
	s := start(t, server.Config{Limits: limits})
	s.hole = "" // hole connections would only fill the table of descriptors
	s.stop()
	s.restart(t, server.Config{Limits: limits})
	cache := tls.NewLRUClientSessionCache(count)
	nodes := make([]*node, count)
	var room identity.Room
	for i := range nodes {
		if i%10 == 0 {
			room = must(identity.NewRoom())
		}
		nodes[i] = s.join(t, person{room: room, name: fmt.Sprint("node", i%10), cache: cache})
		defer nodes[i].stop()
		if i%32 == 31 { // they come in groups, since no spread is known yet
			for _, n := range nodes[i-31 : i] {
				n.awaitRegistered(t)
			}
		}
	}
	eventually(t, "all are here", func() bool { return s.server.Stats().Nodes == count })
	// The first to come were told of a spread for few; a pong tells all of the one for many.
	<-time.After(1500 * time.Millisecond)
	s.stop()
	registry := prometheus.NewPedanticRegistry()
	began := time.Now()
	s.restart(t, server.Config{Limits: limits, Metrics: registry})
	eventually(t, "all are back", func() bool {
		back := s.server.Stats().Nodes
		if r.half == 0 && back >= count/2 {
			r.half = time.Since(began)
		}
		return back == count
	})
	r.all = time.Since(began)
	r.handshakes = map[string]float64{}
	for _, family := range must(registry.Gather()) {
		if family.GetName() == "bodkin_server_handshakes_total" {
			for _, m := range family.Metric {
				r.handshakes[m.Label[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	t.Logf("%d nodes: half back after %v, all after %v; handshakes %v", count, r.half.Round(time.Millisecond), r.all.Round(time.Millisecond), r.handshakes)
	return r
}
