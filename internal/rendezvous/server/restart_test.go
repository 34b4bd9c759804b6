package server_test

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
)

// TestAllNodesSurviveARestart stops a server under many nodes and starts it again. All have to be back within the spread that the
// server asked for and a few seconds, with resumed sessions, and without one handshake that failed.
func TestAllNodesSurviveARestart(t *testing.T) {
	count := 2000
	if raceDetector {
		count = 200 // a handshake takes ten times as long
	}
	const rate = 500 // nodes a second
	limits := server.Limits{ConnectionsPerAddress: 1 << 20, ReconnectsPerSecond: rate, HandshakesPerAddress: 256, PingInterval: time.Second}
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
	var half time.Duration
	for s.server.Stats().Nodes < count {
		if half == 0 && s.server.Stats().Nodes >= count/2 {
			half = time.Since(began)
		}
		if time.Since(began) > patience {
			t.Fatalf("only %d of %d nodes are back after %v", s.server.Stats().Nodes, count, patience)
		}
		<-time.After(20 * time.Millisecond)
	}
	all := time.Since(began)
	handshakes := map[string]float64{}
	for _, family := range must(registry.Gather()) {
		if family.GetName() == "bodkin_server_handshakes_total" {
			for _, m := range family.Metric {
				handshakes[m.Label[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	t.Logf("%d nodes: half back after %v, all after %v; handshakes %v", count, half.Round(time.Millisecond), all.Round(time.Millisecond), handshakes)
	spread := time.Duration(count) * time.Second / rate
	if all > spread+8*time.Second {
		t.Errorf("all back after %v, want within %v and a few seconds", all, spread)
	}
	if handshakes["failed"] > 0 {
		t.Errorf("%v handshakes failed", handshakes["failed"])
	}
	if handshakes["resumed"] < float64(count)*0.9 {
		t.Errorf("%v of %d sessions were resumed", handshakes["resumed"], count)
	}
}
