package identity

import (
	"crypto/tls"
	"runtime"
	"testing"
	"time"
)

// BenchmarkIdleConn measures what crypto/tls keeps for each idle connection of a server: the heap besides the
// socket, and heap and stack with a goroutine that waits in Read. It is what a server has to get rid of.
func BenchmarkIdleConn(b *testing.B) {
	for _, kind := range []string{"full", "resumed"} {
		b.Run(kind, func(b *testing.B) {
			server := newServer(b)
			for b.Loop() {
				b.StopTimer()
				measureIdle(b, server, kind == "resumed")
				b.StartTimer()
			}
		})
	}
}

func measureIdle(b *testing.B, server testServer, resumed bool) {
	const n = 1000
	pairs := make([]connPair, n)
	for i := range pairs {
		pairs[i] = loopback(b)
		defer pairs[i].close()
	}
	conns := make([]*tls.Conn, n)
	before, _ := memory()
	for i := range pairs {
		conns[i] = idleConn(b, server, pairs[i], resumed)
	}
	heap, stack := memory()
	b.ReportMetric(float64(heap-before)/n, "heap-B/conn")

	ended := make(chan struct{}, n)
	for _, c := range conns {
		go func() {
			c.Read(make([]byte, 1))
			ended <- struct{}{}
		}()
	}
	for range n {
		runtime.Gosched()
	}
	waitingHeap, waitingStack := memory()
	b.ReportMetric(float64(waitingHeap-before+waitingStack-stack)/n, "waiting-B/conn")
	for i := range pairs {
		pairs[i].server.Close()
	}
	for range n {
		<-ended
	}
}

// idleConn returns the server's end of a connection of a node of its own. The client's end is forgotten.
func idleConn(tb testing.TB, server testServer, p connPair, resumed bool) *tls.Conn {
	tb.Helper()
	config := server.nodeConfig(tb, newKey(tb), tls.NewLRUClientSessionCache(1))
	if resumed {
		first := loopback(tb)
		handshake(tb, config, server.config, first)
		first.close()
	}
	_, conn := handshake(tb, config, server.config, p)
	if got := conn.ConnectionState().DidResume; got != resumed {
		tb.Fatalf("resumed is %v, want %v", got, resumed)
	}
	p.server.SetDeadline(time.Time{})
	return conn
}

// memory returns the bytes of heap and of stacks in use.
func memory() (heap, stack int64) {
	for range 3 { // pools are empty after two, and stacks have shrunk
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}
