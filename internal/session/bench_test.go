package session

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkThroughput sends over bare TLS on loopback, and over 1, 100 and 1,000 streams of a session as nodes have it: over a line, over
// TLS. In turns of 64 MiB, so that a busy machine slows all of them; "fair" is the most that one of the
// thousand streams got over the least, when all had sent for as long.
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
	lanes := []*lane{{name: "tls", from: []net.Conn{from}, to: []net.Conn{to}}}
	for _, streams := range []int{1, 100, 1000} {
		l := &lane{name: fmt.Sprintf("%dstreams", streams)}
		client, server := overLines(b, Config{MaxStreams: streams, Backlog: streams})
		for range streams {
			opened, accepted := connected(b, client, server)
			l.from, l.to = append(l.from, opened), append(l.to, accepted)
		}
		lanes = append(lanes, l)
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
	thousand := lanes[len(lanes)-1]
	b.ReportMetric(fairness(b, thousand.from, thousand.to), "fair")
	b.ReportMetric(0, "ns/op") // of all turns together, which says nothing
}

// overLines joins two sessions over a line each, over TLS as nodes have it.
func overLines(b *testing.B, config Config) (client, server *Session) {
	from, to := recordPair(b)
	return join(b, from, to, config)
}

// fairness has all connections send for two seconds, and returns the most that one received over the least.
func fairness(b *testing.B, from, to []net.Conn) float64 {
	var work sync.WaitGroup
	received := make([]int64, len(to))
	until := time.Now().Add(2 * time.Second)
	for i := range from {
		from[i].SetDeadline(until)
		to[i].SetDeadline(until)
		work.Go(func() { io.Copy(from[i], endless{}) })
		work.Go(func() { received[i], _ = io.CopyBuffer(onlyWriter{}, to[i], make([]byte, 16<<10)) })
	}
	work.Wait()
	return float64(slices.Max(received)) / float64(max(1, slices.Min(received)))
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
