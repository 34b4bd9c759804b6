package session

import (
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// BenchmarkThroughput sends over bare TLS on loopback, over one stream and over 100 streams of a session on the same kind
// of carrier, in turns of 64 MiB, so that a busy machine slows all of them.
func BenchmarkThroughput(b *testing.B) {
	const turn = 64 << 20
	type lane struct {
		name     string
		from, to []net.Conn
		spent    time.Duration
	}
	from, to := tlsPair(b)
	defer from.Close()
	defer to.Close()
	lanes := []*lane{{name: "tls", from: []net.Conn{from}, to: []net.Conn{to}}, {name: "stream"}, {name: "100streams"}}
	for i, streams := range []int{1, 100} {
		from, to := tlsPair(b)
		client, server := join(b, from, to, Config{})
		for range streams {
			opened, accepted := connected(b, client, server)
			lanes[i+1].from, lanes[i+1].to = append(lanes[i+1].from, opened), append(lanes[i+1].to, accepted)
		}
	}
	for b.Loop() {
		for _, lane := range lanes {
			start := time.Now()
			pump(b, lane.from, lane.to, turn/len(lane.from))
			lane.spent += time.Since(start)
		}
	}
	for _, lane := range lanes {
		sent := float64(b.N) * float64(turn/len(lane.from)*len(lane.from))
		b.ReportMetric(sent/lane.spent.Seconds()/1e6, lane.name+"-MB/s")
	}
	b.ReportMetric(0, "ns/op") // of all turns together, which says nothing
}

// pump sends so many bytes over each of the connections at once.
func pump(b *testing.B, from, to []net.Conn, bytes int) {
	var work sync.WaitGroup
	for i := range from {
		work.Go(func() {
			buffer := make([]byte, 256<<10)
			for left := bytes; left > 0; {
				n, err := from[i].Write(buffer[:min(left, len(buffer))])
				if err != nil {
					b.Error(err)
					return
				}
				left -= n
			}
		})
		work.Go(func() {
			if _, err := io.CopyBuffer(onlyWriter{}, io.LimitReader(to[i], int64(bytes)), make([]byte, 64<<10)); err != nil {
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
