package mux

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const gigabit = 125e6 // bytes a second

// TestShareOfTheLine prints which part of a line's rate one stream gets at a distance, once its window has grown. It runs
// in virtual time: only the protocol limits, no processor does.
func TestShareOfTheLine(t *testing.T) {
	runtime.GC() // two of them empty the contestants' pools, whose timers of other tests must not get into the bubble
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{gigabit / 10, gigabit} {
			for _, rtt := range []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond} {
				for _, c := range contestants {
					t.Logf("%4.0f Mbit/s %6v %-15s %.2f", rate*8/1e6, rtt, c.name, share(t, c, rtt, rate))
				}
			}
		}
	})
}

func share(t *testing.T, c contestant, rtt time.Duration, rate float64) float64 {
	client, server := connect(t, c, rtt, rate)
	senders, receivers := openAll(t, client, server, 1)
	time.Sleep(time.Second) // until the round trip has been measured
	go io.Copy(senders[0], zeros{})
	if _, err := io.CopyN(discard{}, receivers[0], int64(3*rate)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	n, err := io.CopyN(discard{}, receivers[0], int64(6*rate))
	if err != nil {
		t.Fatal(err)
	}
	return float64(n) / time.Since(start).Seconds() / rate
}

// BenchmarkThroughput sends 64 MiB an iteration over the given number of streams, all at once: without delay, where the
// processor limits, and over 1 Gbit/s at 50 ms.
func BenchmarkThroughput(b *testing.B) {
	const total = 64 << 20
	for _, line := range []struct {
		rtt  time.Duration
		rate float64
	}{{0, 0}, {50 * time.Millisecond, gigabit}} {
		for _, streams := range []int{1, 100} {
			for _, c := range contestants {
				name := fmt.Sprintf("rtt=%v/streams=%d/%s", line.rtt, streams, c.name)
				b.Run(name, func(b *testing.B) { throughput(b, c, line.rtt, line.rate, streams, total) })
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

// TestSmallMessageBesideBulk prints the round trip of one byte on a stream while another stream sends as fast as it can,
// over 20 ms and 20 Mbit/s with a buffer of 64 KiB, which alone make 46 ms: the rest is what the multiplexer queues in
// front. It runs in virtual time.
func TestSmallMessageBesideBulk(t *testing.T) {
	runtime.GC() // as in TestShareOfTheLine
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range contestants {
			a, b := path(20*time.Millisecond, gigabit/50)
			a.(*end).out.limit, b.(*end).out.limit = 64<<10, 64<<10
			client, server, err := c.pair(a, b)
			if err != nil {
				t.Fatal(err)
			}
			senders, receivers := openAll(t, client, server, 2)
			go io.Copy(senders[0], zeros{})
			go io.Copy(discard{}, receivers[0])
			go io.Copy(receivers[1], receivers[1])
			time.Sleep(5 * time.Second) // until the queues are full
			var times []time.Duration
			for range 21 {
				start := time.Now()
				if _, err := senders[1].Write([]byte{1}); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(senders[1], make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			t.Logf("%-15s %v", c.name, times[len(times)/2].Round(time.Millisecond))
			client.Close()
			server.Close()
		}
	})
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
