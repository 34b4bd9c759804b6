package natlab

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

// probe sends small UDP packets from one host to another, some time apart, and returns how long
// each was on its way, in the order of arrival, with what it was the how-many-th to be sent.
func probe(t *testing.T, from, to *Host, n int, apart time.Duration) (delays []time.Duration, order []int) {
	t.Helper()
	sent := make([]time.Time, n)
	in, out := udpPair(t, from, to)
	defer in.Close()
	defer out.Close()
	go func() {
		next := time.Now()
		for i := range sent {
			next = next.Add(apart)
			if waitUntil(next) != nil {
				return
			}
			sent[i] = time.Now()
			out.Write([]byte{byte(i), byte(i >> 8)})
		}
	}()
	b := make([]byte, 2)
	for range sent {
		in.SetReadDeadline(time.Now().Add(2 * time.Second))
		if _, err := in.Read(b); err != nil {
			break
		}
		i := int(b[0]) | int(b[1])<<8
		delays = append(delays, time.Since(sent[i]))
		order = append(order, i)
	}
	return delays, order
}

func udpPair(t *testing.T, from, to *Host) (in, out net.Conn) {
	t.Helper()
	err := to.Do(func() (err error) {
		in, err = net.ListenUDP("udp4", &net.UDPAddr{Port: 9000})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err = from.Dial(t.Context(), "udp", netip.AddrPortFrom(to.Addr(), 9000).String())
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}

// On a busy machine anything may come late, so the best of some attempts counts. Nothing may ever
// come early.
func TestDelayIsExactToAFractionOfAMillisecond(t *testing.T) {
	const attempts, packets, tolerance = 40, 100, 500 * time.Microsecond
	forEachDevice(t, func(t *testing.T, lab *Lab) {
		a, b := lab.Host("a", Delay(7*time.Millisecond)), lab.Host("b", Delay(12*time.Millisecond))
		want := 19 * time.Millisecond
		for _, pair := range []time.Duration{0, 30 * time.Millisecond} {
			if pair > 0 {
				want = pair
				if err := lab.SetDelay(a, b, pair); err != nil {
					t.Fatal(err)
				}
			}
			best := time.Hour
			for n := 0; n < attempts && best > tolerance; n++ {
				delays, order := probe(t, a, b, packets, time.Millisecond)
				if len(delays) != packets || !slices.IsSorted(order) {
					t.Fatalf("got %d packets of %d, numbers %v", len(delays), packets, order)
				}
				if first := slices.Min(delays); first < want {
					t.Fatalf("a packet took %v, want %v", first, want)
				}
				best = min(best, median(delays)-want)
				t.Logf("late by %v in the median, %v at most", median(delays)-want, slices.Max(delays)-want)
			}
			if best > tolerance {
				t.Errorf("late by %v in the median, want %v at most", best, tolerance)
			}
		}
	})
}

func TestJitterKeepsTheOrderUnlessAskedNotTo(t *testing.T) {
	lab := Test(t, Config{Seed: 3})
	b := lab.Host("b")
	for _, reorder := range []bool{false, true} {
		lab.SetLink(b, Link{Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Reorder: reorder})
		a := lab.Host(map[bool]string{false: "kept", true: "mixed"}[reorder])
		lab.SetLink(a, Link{Reorder: reorder})
		delays, order := probe(t, a, b, 100, time.Millisecond)
		if len(delays) != 100 || slices.IsSorted(order) == reorder {
			t.Errorf("reorder %v: got %d packets, in order %v", reorder, len(delays), slices.IsSorted(order))
		}
		// In order, most packets wait for one before them that was late.
		if spread := slices.Max(delays) - slices.Min(delays); spread < 2*time.Millisecond {
			t.Errorf("reorder %v: delays differ by %v only", reorder, spread)
		}
	}
}

func TestLossBetweenTwoIsNobodyElses(t *testing.T) {
	lab := Test(t, Config{Seed: 9})
	a, b, c := lab.Host("a"), lab.Host("b"), lab.Host("c")
	if err := lab.SetLoss(a, b, 0.5); err != nil {
		t.Fatal(err)
	}
	const packets = 200
	for _, way := range []struct {
		from, to    *Host
		least, most int
	}{{a, b, 70, 130}, {b, a, 70, 130}, {a, c, packets, packets}, {c, b, packets, packets}} {
		if delays, _ := probe(t, way.from, way.to, packets, 50*time.Microsecond); len(delays) < way.least || len(delays) > way.most {
			t.Errorf("%d of %d packets arrived from %s at %s, want %d to %d", len(delays), packets, way.from.Name(), way.to.Name(), way.least, way.most)
		}
	}
}

func TestLossIsThatOfBothLinksAndIsCounted(t *testing.T) {
	lab := Test(t, Config{Seed: 5})
	a, b := lab.Host("a", Via(Link{Loss: 0.2})), lab.Host("b", Via(Link{Loss: 0.25}))
	const packets = 200 // that a socket holds, so that none is lost there if nobody reads for a while
	delays, _ := probe(t, a, b, packets, 50*time.Microsecond)
	flow := flowTo(t, lab, netip.AddrPortFrom(b.Addr(), 9000))
	if flow.Packets != int64(len(delays)) || flow.Packets+flow.Dropped != packets {
		t.Errorf("counted %d carried and %d dropped of %d, %d arrived", flow.Packets, flow.Dropped, packets, len(delays))
	}
	if len(delays) < 105 || len(delays) > 135 {
		t.Errorf("%d of %d arrived, want about %d", len(delays), packets, packets*6/10)
	}
}

func flowTo(t *testing.T, lab *Lab, dst netip.AddrPort) Flow {
	t.Helper()
	for _, f := range lab.Flows() {
		if f.Dst == dst {
			return f
		}
	}
	t.Fatalf("no flow to %v", dst)
	return Flow{}
}

func TestRateIsWhatTCPGetsAndTheQueueDelays(t *testing.T) {
	forEachDevice(t, func(t *testing.T, lab *Lab) {
		const rate, bytes = 20e6, 1 << 20
		a := lab.Host("a", Delay(2*time.Millisecond))
		b := lab.Host("b", Via(Link{Delay: 3 * time.Millisecond, Rate: rate}))
		// 40 bytes of headers and 12 of timestamps for each 1448 of payload.
		ideal := time.Duration(bytes * 1500 / 1448 * 8 / rate * float64(time.Second))
		for _, direction := range []struct{ from, to *Host }{{a, b}, {b, a}} {
			stopwatch.Within(t, 2*ideal, func() time.Duration {
				took := sendBytes(t, direction.from, direction.to, bytes)
				t.Logf("%s to %s took %v, at the full rate %v", direction.from.Name(), direction.to.Name(), took, ideal)
				if took < ideal {
					t.Errorf("took %v, want %v and a little", took, ideal)
				}
				return took
			})
		}
	})
}

func sendBytes(t *testing.T, from, to *Host, n int) time.Duration {
	t.Helper()
	l, err := to.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	out, err := from.Dial(t.Context(), "tcp", netip.AddrPortFrom(to.Addr(), port).String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	start := time.Now()
	go out.Write(make([]byte, n))
	in.SetReadDeadline(start.Add(30 * time.Second))
	if _, err := io.CopyN(io.Discard, in, int64(n)); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

func TestSegmentsOfUDPArriveAsDatagrams(t *testing.T) {
	forEachDevice(t, func(t *testing.T, lab *Lab) {
		a, b := lab.Host("a"), lab.NAT("nat", FullCone()).Host("b")
		in, out := udpPair(t, b, a)
		defer in.Close()
		defer out.Close()
		raw, err := out.(*net.UDPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000)
		})
		if err != nil {
			t.Skip(err)
		}
		if _, err := out.Write(make([]byte, 2500)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 3000)
		for _, want := range []int{1000, 1000, 500} {
			in.SetReadDeadline(time.Now().Add(20 * time.Second))
			if n, err := in.Read(buf); n != want {
				t.Errorf("read %d bytes, %v, want %d", n, err, want)
			}
		}
	})
}

// forEachDevice runs a test with veth pairs, and with TUN devices where they can be had.
func forEachDevice(t *testing.T, f func(*testing.T, *Lab)) {
	t.Run("packet", func(t *testing.T) { f(t, Test(t, Config{Device: DevicePacket})) })
	if lab, err := New(Config{Device: DeviceTUN}); err != nil {
		t.Log("without TUN devices, as it may be for an ordinary user:", err)
	} else {
		lab.Close()
		t.Run("tun", func(t *testing.T) { f(t, Test(t, Config{Device: DeviceTUN})) })
	}
}

func TestEachFlowHasARateOfItsOwn(t *testing.T) {
	forEachDevice(t, func(t *testing.T, lab *Lab) {
		const rate, bytes, flows = 20e6, 1 << 20, 4
		a := lab.Host("a")
		b := lab.NAT("nat", FullCone(), Via(Link{Delay: 5 * time.Millisecond, FlowRate: rate})).Host("b")
		ideal := time.Duration(bytes * 8 / rate * float64(time.Second))
		stopwatch.Within(t, 3*ideal, func() time.Duration { // one after the other they would take 4 times as long
			var wait sync.WaitGroup
			least := make([]time.Duration, flows)
			start := time.Now()
			for i := range flows {
				wait.Go(func() { least[i] = sendBytes(t, b, a, bytes) })
			}
			wait.Wait()
			took := time.Since(start)
			t.Logf("%d flows took %v; %v at the full rate of each; %v", flows, took, ideal, least)
			if slices.Min(least) < ideal*9/10 { // what fits into buffers at once aside
				t.Errorf("a flow took %v only", slices.Min(least))
			}
			return took
		})
	})
}

func TestAFlowDoesNotWaitForAnother(t *testing.T) {
	forEachDevice(t, func(t *testing.T, lab *Lab) {
		const rate, queue = 8e6, 90_000 // which takes 90 ms
		a := lab.Host("a")
		b := lab.NAT("nat", FullCone(), Via(Link{Delay: 5 * time.Millisecond, FlowRate: rate})).Host("b")
		stopwatch.Within(t, 60*time.Millisecond, func() time.Duration {
			in, out := udpPair(t, b, a)
			defer in.Close()
			defer out.Close()
			l, err := a.Listen("tcp4", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for range queue / 1000 {
				if _, err := out.Write(make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			conn, err := b.Dial(t.Context(), "tcp", netip.AddrPortFrom(a.Addr(), l.Addr().(*net.TCPAddr).AddrPort().Port()).String())
			took := time.Since(start)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			return took
		})
	})
}
