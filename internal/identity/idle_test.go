package identity

import (
	"crypto/tls"
	"runtime"
	"testing"
)

// BenchmarkIdleServerConn measures what a server keeps for each idle TLS connection: the heap behind
// tls.Conn, sockets not counted, for full and for resumed handshakes.
func BenchmarkIdleServerConn(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		name := "full"
		if resumed {
			name = "resumed"
		}
		b.Run(name, func(b *testing.B) {
			const n = 1000
			server := newServer(b)
			for b.Loop() {
				b.StopTimer()
				pairs := make([]connPair, n)
				for i := range pairs {
					pairs[i] = loopback(b)
				}
				before := heap()
				b.StartTimer()
				conns := make([]*tls.Conn, n)
				for i := range pairs {
					conns[i] = idleConn(b, server, pairs[i], resumed)
				}
				b.StopTimer()
				b.ReportMetric(float64(heap()-before)/n, "heap-B/conn")
				runtime.KeepAlive(conns)
				for _, p := range pairs {
					p.close()
				}
				b.StartTimer()
			}
		})
	}
}

// idleConn returns the server's end of a connection of a node of its own. The client's end is forgotten.
func idleConn(tb testing.TB, server testServer, p connPair, resumed bool) *tls.Conn {
	key := newKey(tb)
	config := server.nodeConfig(tb, key, tls.NewLRUClientSessionCache(1))
	if resumed {
		first := loopback(tb)
		handshake(tb, config, server.config, first)
		first.close()
	}
	_, conn := handshake(tb, config, server.config, p)
	if got := conn.ConnectionState().DidResume; got != resumed {
		tb.Fatalf("resumed is %v, want %v", got, resumed)
	}
	return conn
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // the first one empties pools into their victim caches
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
