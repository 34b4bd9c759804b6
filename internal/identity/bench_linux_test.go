package identity

import (
	"crypto/tls"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkServerHandshakeCPU measures the CPU time of the server's side alone, by its thread's own clock.
func BenchmarkServerHandshakeCPU(b *testing.B) {
	for _, bench := range []struct {
		name  string
		cache tls.ClientSessionCache
	}{{"full", nil}, {"resumed", tls.NewLRUClientSessionCache(1)}} {
		b.Run(bench.name, func(b *testing.B) {
			server := newServer(b)
			client := server.nodeConfig(b, newKey(b), bench.cache)
			p := loopback(b)
			handshake(b, client, server.config, p)
			p.close()
			var spent time.Duration
			for b.Loop() {
				p := loopback(b)
				spent += serverCPU(b, client, server.config, p)
				p.close()
			}
			b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// serverCPU returns the CPU time of one server handshake, with Authenticated, on a thread of its own.
func serverCPU(b *testing.B, client, server *tls.Config, p connPair) time.Duration {
	done := make(chan time.Duration, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := threadCPU()
		conn := tls.Server(p.server, server)
		if err := conn.Handshake(); err != nil {
			b.Error(err)
		}
		if _, _, err := Authenticated(conn.ConnectionState()); err != nil {
			b.Error(err)
		}
		spent := threadCPU() - before
		conn.Write([]byte{1})
		done <- spent
	}()
	conn := tls.Client(p.client, client)
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	return <-done
}

func threadCPU() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thisThread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
