package mux

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

const gigabit = 125e6 // bytes a second

// BenchmarkThroughput sends 64 MiB an iteration over the given number of streams, all at once.
func BenchmarkThroughput(b *testing.B) {
	const total = 64 << 20
	for _, rtt := range []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond} {
		for _, rate := range []float64{0, gigabit} {
			for _, streams := range []int{1, 100} {
				for _, c := range contestants {
					name := fmt.Sprintf("rtt=%v/rate=%.0fMbit/streams=%d/%s", rtt, rate*8/1e6, streams, c.name)
					b.Run(name, func(b *testing.B) { throughput(b, c, rtt, rate, streams, total) })
				}
			}
		}
	}
}

func throughput(b *testing.B, c contestant, rtt time.Duration, rate float64, streams, total int) {
	client, server := connect(b, c, rtt, rate)
	senders, receivers := openAll(b, client, server, streams)
	share := total / streams
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.SetBytes(int64(share * streams))
	b.ResetTimer()
	for range b.N {
		var done sync.WaitGroup
		for i := range streams {
			done.Go(func() {
				buffer := make([]byte, 256<<10)
				for left := share; left > 0; {
					n, err := senders[i].Write(buffer[:min(left, len(buffer))])
					if err != nil {
						b.Error(err)
						return
					}
					left -= n
				}
			})
			done.Go(func() {
				if _, err := io.CopyN(discard{}, receivers[i], int64(share)); err != nil {
					b.Error(err)
				}
			})
		}
		done.Wait()
	}
	b.StopTimer()
	runtime.ReadMemStats(&after)
	frames := float64(b.N) * float64(share*streams) / (64 << 10)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/frames, "allocs/64KiB")
}

// BenchmarkSmallMessageBesideBulk measures the round trip of one byte on a stream while another stream sends as fast as
// it can, over 100 Mbit/s and 20 ms: what the multiplexer queues in front of it shows. (The path itself queues 4 MiB,
// 335 ms.)
func BenchmarkSmallMessageBesideBulk(b *testing.B) {
	for _, c := range contestants {
		b.Run(c.name, func(b *testing.B) {
			client, server := connect(b, c, 20*time.Millisecond, gigabit/10)
			senders, receivers := openAll(b, client, server, 2)
			go io.Copy(senders[0], zeros{})
			go io.Copy(discard{}, receivers[0])
			go io.Copy(receivers[1], receivers[1])
			time.Sleep(500 * time.Millisecond) // until the queues are full
			var times []time.Duration
			for range b.N {
				start := time.Now()
				if _, err := senders[1].Write([]byte{1}); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(senders[1], make([]byte, 1)); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1e3, "median-ms")
		})
	}
}

// BenchmarkFairness runs 100 bulk streams for two seconds over 1 Gbit/s and tells the largest share by the smallest.
func BenchmarkFairness(b *testing.B) {
	for _, c := range contestants {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				client, server := connect(b, c, 20*time.Millisecond, gigabit)
				senders, receivers := openAll(b, client, server, 100)
				counts := make([]int64, len(receivers))
				var done sync.WaitGroup
				for i := range senders {
					go io.Copy(senders[i], zeros{})
					done.Go(func() { counts[i], _ = io.Copy(discard{}, receivers[i]) })
				}
				time.Sleep(2 * time.Second)
				client.Close()
				server.Close()
				done.Wait()
				b.ReportMetric(float64(slices.Max(counts))/float64(max(1, slices.Min(counts))), "max/min")
			}
		})
	}
}

// connect joins a contestant over a path and closes both ends at the end of the benchmark.
func connect(tb testing.TB, c contestant, rtt time.Duration, rate float64) (client, server muxer) {
	tb.Helper()
	client, server, err := c.pair(path(rtt, rate))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// openAll opens streams and sends one byte on each, so that both ends know them.
func openAll(tb testing.TB, client, server muxer, count int) (opened, accepted []net.Conn) {
	tb.Helper()
	for range count {
		o, err := client.Open()
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := o.Write([]byte{0}); err != nil {
			tb.Fatal(err)
		}
		a, err := server.Accept()
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(a, make([]byte, 1)); err != nil {
			tb.Fatal(err)
		}
		opened, accepted = append(opened, o), append(accepted, a)
	}
	return opened, accepted
}

// discard has no ReadFrom, so that every contestant's Read is measured and not a short cut.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
