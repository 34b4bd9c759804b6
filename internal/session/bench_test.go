package session

import (
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
)

// chunk is what the benchmarks write at once.
const chunk = 256 << 10

// BenchmarkThroughput compares bare TLS over loopback with one and with many streams of a session over the same.
// Run it with -count to have them take turns.
func BenchmarkThroughput(b *testing.B) {
	b.Run("tls", func(b *testing.B) {
		from, to := tlsPair(b)
		defer from.Close()
		defer to.Close()
		pump(b, []net.Conn{from}, []net.Conn{to})
	})
	for name, streams := range map[string]int{"stream": 1, "streams100": 100} {
		b.Run(name, func(b *testing.B) {
			from, to := tlsPair(b)
			client, server := join(b, from, to, Config{})
			var opened, accepted []net.Conn
			for range streams {
				o, a := connected(b, client, server)
				opened, accepted = append(opened, o), append(accepted, a)
			}
			pump(b, opened, accepted)
		})
	}
}

// pump sends b.N chunks, spread over the connections.
func pump(b *testing.B, from, to []net.Conn) {
	b.SetBytes(chunk)
	b.ReportAllocs()
	b.ResetTimer()
	var work sync.WaitGroup
	for i := range from {
		chunks := b.N / len(from)
		if i < b.N%len(from) {
			chunks++
		}
		work.Go(func() {
			buffer := make([]byte, chunk)
			for range chunks {
				if _, err := from[i].Write(buffer); err != nil {
					b.Error(err)
					return
				}
			}
		})
		work.Go(func() {
			if _, err := io.CopyN(onlyWriter{}, to[i], int64(chunks)*chunk); err != nil {
				b.Error(err)
			}
		})
	}
	work.Wait()
}

// onlyWriter discards without a ReadFrom that would choose its own buffer.
type onlyWriter struct{}

func (onlyWriter) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkRequest opens a stream, sends a byte, gets one back and closes.
func BenchmarkRequest(b *testing.B) {
	from, to := tlsPair(b)
	client, server := join(b, from, to, Config{})
	go func() {
		for {
			stream, err := server.Accept(b.Context())
			if err != nil {
				return
			}
			io.Copy(stream, stream)
			stream.Close()
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		stream := open(b, client)
		stream.Write([]byte{1})
		stream.CloseWrite()
		if answer, err := io.ReadAll(stream); err != nil || len(answer) != 1 {
			b.Fatal(answer, err)
		}
		stream.Close()
	}
}

// BenchmarkIdle tells what an idle session and an idle stream hold, one end of it, without the carrier's buffers.
func BenchmarkIdle(b *testing.B) {
	const sessions, streams = 100, 100
	for range b.N {
		var carriers []net.Conn
		for range sessions {
			from, to := net.Pipe()
			carriers = append(carriers, from, to)
		}
		before := held()
		var keep []any
		for i := range sessions {
			client, server := join(b, carriers[2*i], carriers[2*i+1], Config{Linger: -1})
			keep = append(keep, client, server)
		}
		between := held()
		for i := range streams {
			opened, accepted := connected(b, keep[2*i].(*Session), keep[2*i+1].(*Session))
			keep = append(keep, opened, accepted)
		}
		b.ReportMetric(float64(between-before)/(2*sessions), "bytes/session")
		b.ReportMetric(float64(held()-between)/(2*streams), "bytes/stream")
		runtime.KeepAlive(keep)
	}
}

// held is the memory in live objects and stacks.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
