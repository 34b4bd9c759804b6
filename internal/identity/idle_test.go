package identity

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
)

// BenchmarkIdleConn measures what a server keeps for each idle node: heap besides the socket, and heap and stack
// with a goroutine that waits in Read. "tls" is a plain crypto/tls connection, the others are of Accept.
func BenchmarkIdleConn(b *testing.B) {
	for _, kind := range []string{"tls/full", "tls/resumed", "accept/full", "accept/resumed"} {
		b.Run(kind, func(b *testing.B) {
			server := newServer(b)
			for b.Loop() {
				b.StopTimer()
				measureIdle(b, server, kind)
				b.StartTimer()
			}
		})
	}
}

func measureIdle(b *testing.B, server testServer, kind string) {
	const n = 1000
	pairs := make([]connPair, n)
	for i := range pairs {
		pairs[i] = loopback(b)
		defer pairs[i].close()
	}
	conns := make([]net.Conn, n)
	before, _ := memory()
	for i := range pairs {
		conns[i] = idleConn(b, server, pairs[i], kind)
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
func idleConn(tb testing.TB, server testServer, p connPair, kind string) net.Conn {
	tb.Helper()
	config := server.nodeConfig(tb, newKey(tb), tls.NewLRUClientSessionCache(1))
	if kind == "tls/resumed" || kind == "accept/resumed" {
		first := loopback(tb)
		handshake(tb, config, server.config, first)
		first.close()
	}
	if kind == "tls/full" || kind == "tls/resumed" {
		_, conn := handshake(tb, config, server.config, p)
		p.server.SetDeadline(noDeadline)
		return conn
	}
	go io.ReadFull(tls.Client(p.client, config), make([]byte, 1))
	conn, err := Accept(tb.Context(), p.server, server.config)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := conn.Write([]byte{1}); err != nil {
		tb.Fatal(err)
	}
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
