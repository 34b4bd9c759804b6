package server_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// The benchmarks run the server in a process of its own, so that its memory and CPU time are its alone:
//
//	go test -run '^$' -bench . ./internal/rendezvous/server
//
// BODKIN_BENCH_NODES sets the number of idle nodes, 10,000 by default.

// unlimited is for one machine that plays many.
func unlimited() server.Limits {
	const many = 1 << 30
	return server.Limits{ConnectionsPerAddress: many, ConnectionsPerNode: many, HandshakesPerAddress: many,
		DialsPerSecond: many, DialsPerMinute: many, MessagesPerSecond: many, AttemptsPerNode: many}
}

// BenchmarkIdleNodes tells what an idle node costs the server, and how many introductions it makes among them.
func BenchmarkIdleNodes(b *testing.B) {
	count := 10_000
	if text := os.Getenv("BODKIN_BENCH_NODES"); text != "" {
		count = must(strconv.Atoi(text))
	}
	s := startProcess(b, unlimited(), nil)
	before, slabBefore := s.usage(b, "rest"), slabBytes()
	nodes := s.connectMany(b, count)
	asIs := s.usage(b, "now")
	rest, slab := s.usage(b, "rest"), slabBytes()
	if rest.Stats.Nodes != count {
		b.Fatalf("%d nodes, want %d", rest.Stats.Nodes, count)
	}
	b.Run("Memory", func(b *testing.B) {
		for b.Loop() { // nothing to repeat: it was measured above
		}
		each := func(bytes int64) float64 { return float64(bytes) / float64(count) }
		b.ReportMetric(each(asIs.RSS-before.RSS), "rss-B/node")
		b.ReportMetric(each(rest.RSS-before.RSS), "rss-at-rest-B/node")
		b.ReportMetric(each(rest.Heap-before.Heap), "heap-B/node")
		b.ReportMetric(each(slab-slabBefore)/2, "kernel-B/socket")
		b.ReportMetric(float64(rest.Goroutines), "goroutines")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("Introductions", func(b *testing.B) { introduceAll(b, s, nodes) })
}

// introduceAll has the first node of each room dial its neighbours in turn, and waits for both introductions each time.
func introduceAll(b *testing.B, s *process, nodes []*plainNode) {
	const each = 20 // introductions in a room in one turn
	before, start := s.usage(b, "now"), time.Now()
	total := 0
	for b.Loop() {
		var rooms sync.WaitGroup
		slots := make(chan struct{}, 64)
		for i := 0; i+9 < len(nodes); i += 10 {
			total += each
			slots <- struct{}{}
			rooms.Go(func() {
				defer func() { <-slots }()
				for k := range each {
					if err := introduce(nodes[i], nodes[i+1+k%9]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		rooms.Wait()
	}
	after := s.usage(b, "now")
	b.ReportMetric(float64(total)/time.Since(start).Seconds(), "introductions/s")
	b.ReportMetric(float64((after.CPU-before.CPU).Microseconds())/float64(total), "server-us/introduction")
}

func introduce(dialer, callee *plainNode) error {
	if err := dialer.send(&wire.ClientMessage{Body: &wire.ClientMessage_Dial{Dial: &wire.Dial{Request: 1, Target: &wire.Dial_Node{Node: callee.id[:]}}}}); err != nil {
		return err
	}
	for _, n := range []*plainNode{dialer, callee} {
		m, err := n.receive()
		if err != nil {
			return err
		}
		if i := m.GetIntroduction(); i == nil {
			return fmt.Errorf("no introduction but %v", m)
		} else if n == callee {
			return dialer.send(&wire.ClientMessage{Body: &wire.ClientMessage_Finished{Finished: &wire.Finished{Attempt: i.Attempt, Direct: true, Round: 1}}})
		}
	}
	return nil
}

// BenchmarkHandshake tells how many nodes can come back in a second: full handshakes, and resumed ones after a restart.
func BenchmarkHandshake(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		b.Run(map[bool]string{false: "Full", true: "Resumed"}[resumed], func(b *testing.B) {
			s := startProcess(b, unlimited(), nil)
			room, key := must(identity.NewRoom()), must(identity.NewKey())
			var cache tls.ClientSessionCache
			if resumed {
				cache = tls.NewLRUClientSessionCache(1)
				must(s.connect(room, key, cache, false)).conn.Close()
			}
			before := s.usage(b, "now")
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					node := key
					if !resumed {
						node = must(identity.NewKey())
					}
					n, err := s.connect(room, node, cache, false)
					if err != nil {
						b.Error(err)
						return
					}
					n.conn.Close()
				}
			})
			after := s.usage(b, "now")
			cpu := (after.CPU - before.CPU).Seconds() / float64(b.N)
			b.ReportMetric(cpu*1e6, "server-us/handshake")
			b.ReportMetric(1/cpu, "handshakes/core-s")
		})
	}
}
