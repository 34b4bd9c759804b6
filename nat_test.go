package bodkin_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

func TestMain(m *testing.M) { natlab.Main(m) }

// One-way delays of the issue that asked for a bound on the time of a dial: a = A-S, b = B-S, c = A-B.
const (
	delayAS = 20 * time.Millisecond
	delayBS = 30 * time.Millisecond
	delayAB = 25 * time.Millisecond
)

// serverHTTP is where a world's server tells its figures.
const serverHTTP = "203.0.113.10:9090"

// A world is a lab with a rendezvous server on the open internet.
type world struct {
	lab    *natlab.Lab
	server *natlab.Host
	invite bodkin.Invite
	config server.Config
	stop   func() // waits until the server has ended
}

// newWorld has a server without a relay, which would hide that nothing direct opens, and take over where the machine stalls.
func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, server.Config{NoRelay: true})
}

// newWorldOf is newWorld with a server of that configuration; its home and addresses are the world's.
func newWorldOf(t testing.TB, config server.Config) *world {
	t.Helper()
	config.Home, config.Advertise, config.HTTP = t.TempDir(), []string{"203.0.113.10"}, serverHTTP
	lab := natlab.Test(t, natlab.Config{})
	w := &world{lab: lab, server: lab.Host("s", natlab.At("203.0.113.10"))}
	w.start(t, config)
	return w
}

// start starts the server, also after stop, as long as config is that of the first time.
func (w *world) start(t testing.TB, config server.Config) {
	t.Helper()
	config.Within = w.server.Do
	var s *server.Server
	err := w.server.Do(func() (err error) {
		s, err = server.Open(config)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.invite, err = s.Invite(server.DefaultRoom); err != nil {
		t.Fatal(err)
	}
	w.config = config
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	w.stop = sync.OnceFunc(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	t.Cleanup(w.stop)
}

// A home is a host behind a NAT.
type home struct {
	*natlab.Host
	nat     *natlab.NAT
	outside netip.Addr // what the internet sees of it
}

func behind(nat *natlab.NAT, name string) home { return home{nat.Host(name), nat, nat.Addr()} }

// delays sets the one-way delays between the two homes and the server.
func (w *world) delays(near, far home, nearServer, farServer, nearFar time.Duration) {
	w.lab.SetDelay(near, w.server, nearServer)
	w.lab.SetDelay(far, w.server, farServer)
	w.lab.SetDelay(near, far, nearFar)
}

// join makes a node on a host.
func (w *world) join(t testing.TB, host home, config bodkin.Config) *bodkin.Node {
	t.Helper()
	config.Invite, config.Within = w.invite, host.Do
	node, err := bodkin.Join(t.Context(), config)
	if err != nil {
		t.Fatalf("join on %s: %v", host.Name(), err)
	}
	t.Cleanup(func() { node.Close() })
	return node
}

// echo serves a service that sends back what it gets, half-close and all.
func echo(t testing.TB, node *bodkin.Node, service string) {
	t.Helper()
	listener, err := node.Listen(service)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.AcceptConn()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
				conn.CloseWrite()
			}()
		}
	}()
}

// say sends text over conn and returns what comes back.
func say(conn *bodkin.Conn, text string) (string, error) {
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	if err := conn.CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// boxes are the NATs of the article and the one most homes have.
var boxes = map[string]func(*natlab.Lab, string) *natlab.NAT{
	"full-cone":            goBox(natlab.FullCone()),
	"restricted-cone":      goBox(natlab.RestrictedCone()),
	"port-restricted-cone": goBox(natlab.PortRestrictedCone()),
	"linux":                kernelBox,
}

func goBox(behavior natlab.Behavior) func(*natlab.Lab, string) *natlab.NAT {
	return func(lab *natlab.Lab, name string) *natlab.NAT { return lab.NAT(name, behavior) }
}

func kernelBox(lab *natlab.Lab, name string) *natlab.NAT {
	return lab.KernelNAT(name, natlab.Kernel{})
}

var runCount = flag.Int("runs", 5, "how often each pair of networks is tried; what is claimed for them was measured with 20")

// runs is how often a test tries each pair. Races show in few; the promise is kept without the detector.
func runs() int {
	if raceDetector {
		return min(3, *runCount)
	}
	return *runCount
}

// TestAllPairsOfConesConnectDirectly is the promise of the article, with a real Linux NAT added: every run of each pair.
func TestAllPairsOfConesConnectDirectly(t *testing.T) {
	names := []string{"full-cone", "restricted-cone", "port-restricted-cone", "linux"}
	for _, nearName := range names {
		for _, farName := range names {
			t.Run(nearName+" to "+farName, func(t *testing.T) {
				t.Parallel() // they wait most of the time
				w := newWorld(t)
				near := behind(boxes[nearName](w.lab, "near"), "a")
				far := behind(boxes[farName](w.lab, "far"), "b")
				w.delays(near, far, 4*time.Millisecond, 6*time.Millisecond, 5*time.Millisecond)
				for run := range runs() {
					if err := w.connect(t, near, far); err != nil {
						t.Errorf("run %d: %v", run, err)
					}
				}
			})
		}
	}
}

// connect joins a fresh node on each host, dials from near to far, and checks that the bytes went directly.
func (w *world) connect(t *testing.T, near, far home) error {
	t.Helper()
	a := w.join(t, near, bodkin.Config{Name: "ada"})
	b := w.join(t, far, bodkin.Config{Name: "ben"})
	defer a.Close()
	defer b.Close()
	echo(t, b, "echo")
	conn, err := a.Dial(t.Context(), "ben", "echo")
	if err != nil {
		return err
	}
	defer conn.Close()
	if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
		return fmt.Errorf("echo: got %q, %v", answer, err)
	}
	if path := conn.Path(); path.Kind != bodkin.Direct || path.Remote.Addr() != far.outside {
		return fmt.Errorf("path %v to %v, want direct to %v", path.Kind, path.Remote, far.outside)
	}
	return nil
}

// TestDialTakesTheTimeThatDistanceDemands holds a dial to 1.10 times the floor of techniques for introduced simultaneous
// open: introduction at a server a away, TCP across, and the dialer's half of TLS 1.3: 2a + 4c. Other work on the machine can only
// lengthen it, by a sixth in the median where five processes share two cores, so the fastest counts. Seen to fail with 15 ms more before
// the first SYN.
func TestDialTakesTheTimeThatDistanceDemands(t *testing.T) {
	const runs = 15
	floor := 2*delayAS + 4*delayAB
	limit := floor * 110 / 100
	if raceDetector {
		limit = floor * 135 / 100 // the handshake's arithmetic alone takes 20 ms more
	}
	w := newWorld(t)
	near := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a")
	far := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
	w.delays(near, far, delayAS, delayBS, delayAB)
	machine := newMachine(t)
	stopwatch.Within(t, limit, func() time.Duration {
		var timings []bodkin.Timing
		for range runs {
			machine.stood()
			timing := w.timeDial(t, near, far)
			if timing.Rounds != 1 && machine.stood() < stalled {
				t.Errorf("direct after %d rounds, want 1", timing.Rounds)
			}
			timings = append(timings, timing)
		}
		slices.SortFunc(timings, func(a, b bodkin.Timing) int { return int(a.Secured - b.Secured) })
		median, fastest := timings[runs/2], timings[0].Secured
		t.Logf("one-way delays A-S %v, B-S %v, A-B %v; of %d dials the median: introduced %.1f ms (floor %v), first SYN %.1f, TCP up %.1f (%v), secured %.1f (%v)",
			delayAS, delayBS, delayAB, runs, ms(median.Introduced), 2*delayAS, ms(median.FirstSYN),
			ms(median.Connected), 2*delayAS+2*delayAB, ms(median.Secured), floor)
		t.Logf("slowest %.1f ms, fastest %.1f ms, median / floor = %.3f", ms(timings[runs-1].Secured), ms(fastest), float64(median.Secured)/float64(floor))
		return fastest
	})
}

// timeDial joins two fresh nodes and times one dial.
func (w *world) timeDial(t testing.TB, near, far home) bodkin.Timing {
	a := w.join(t, near, bodkin.Config{Name: "ada"})
	b := w.join(t, far, bodkin.Config{Name: "ben"})
	defer a.Close()
	defer b.Close()
	ping, err := a.Ping(t.Context(), "ben")
	if err != nil {
		t.Fatal(err)
	}
	if ping.Path.Kind != bodkin.Direct {
		t.Errorf("path %v, want direct", ping.Path.Kind)
	}
	return ping.Timing
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// TestSessionsOutliveTheServer kills the server while bytes flow, and opens a new stream after.
func TestSessionsOutliveTheServer(t *testing.T) {
	w := newWorld(t)
	a := w.join(t, behind(w.lab.NAT("near", natlab.Linux()), "a"), bodkin.Config{Name: "ada"})
	b := w.join(t, behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b"), bodkin.Config{Name: "ben"})
	echo(t, b, "echo")
	before, err := a.Dial(t.Context(), "ben", "echo")
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	if answer, err := say(before, "still there"); answer != "still there" || err != nil {
		t.Errorf("stream from before: got %q, %v", answer, err)
	}
	after, err := a.Dial(t.Context(), "ben", "echo")
	if err != nil {
		t.Fatalf("dial over the session that lives: %v", err)
	}
	if answer, err := say(after, "new"); answer != "new" || err != nil {
		t.Errorf("stream from after: got %q, %v", answer, err)
	}
	_, err = a.Dial(t.Context(), "eve", "echo")
	if !errors.Is(err, bodkin.ErrServerUnreachable) {
		t.Errorf("dial of somebody new: %v, want ErrServerUnreachable", err)
	}
}

// TestATransferIsFastFromTheStart guards against what a simultaneous open can do to congestion control
// (docs/decisions/0029): both directions, since it hits the side whose SYN left first. That takes 11.8 s; without it 0.7 s, and up to 9 s
// with the race detector on a machine with much else to do.
func TestATransferIsFastFromTheStart(t *testing.T) {
	const size, most = 16 << 20, 10 * time.Second
	for _, back := range []bool{false, true} {
		t.Run(map[bool]string{false: "dialer to callee", true: "callee to dialer"}[back], func(t *testing.T) {
			w := newWorld(t)
			near := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a")
			far := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
			w.delays(near, far, delayAS, delayBS, delayAB)
			stopwatch.Within(t, most, func() time.Duration {
				a := w.join(t, near, bodkin.Config{Name: "ada"})
				b := w.join(t, far, bodkin.Config{Name: "ben"})
				defer a.Close()
				defer b.Close()
				from, to := stream(t, a, b)
				if back {
					from, to = to, from
				}
				start := time.Now()
				go io.Copy(from, io.LimitReader(zeros{}, size))
				if n, err := io.CopyN(io.Discard, to, size); err != nil {
					t.Fatalf("%d bytes, then %v", n, err)
				}
				took := time.Since(start)
				t.Logf("%d MiB in %v at a round trip of %v", size>>20, took.Round(time.Millisecond), 2*delayAB)
				return took
			})
		})
	}
}

// stream opens a stream from a to b.
func stream(t *testing.T, a, b *bodkin.Node) (out, in net.Conn) {
	t.Helper()
	listener, err := b.Listen("stream")
	if err != nil {
		t.Fatal(err)
	}
	if out, err = a.Dial(t.Context(), b.Name(), "stream"); err != nil {
		t.Fatal(err)
	}
	if in, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return out, in
}

// TestNodesBehindNATsReconnectAtOnceFromTheSamePorts restarts nodes that keep their ports, one of them or both, behind real Linux
// NATs, which are the ones to hold a closed entry against the next connection (docs/decisions/0054).
func TestNodesBehindNATsReconnectAtOnceFromTheSamePorts(t *testing.T) {
	w := newWorld(t)
	near, far := behind(kernelBox(w.lab, "near"), "a"), behind(kernelBox(w.lab, "far"), "b")
	w.delays(near, far, 4*time.Millisecond, 6*time.Millisecond, 5*time.Millisecond)
	configs := map[home]*bodkin.Config{
		near: {Name: "ada", Key: must(bodkin.NewKey())},
		far:  {Name: "ben", Key: must(bodkin.NewKey())},
	}
	nodes := map[home]*bodkin.Node{}
	for run, restarted := range [][]home{{near, far}, {near}, {far}, {near, far}, {far, near}} {
		unlessStalled(t, func() error {
			for _, h := range restarted {
				if nodes[h] != nil {
					nodes[h].Close()
				}
			}
			for _, h := range restarted {
				nodes[h] = w.join(t, h, *configs[h])
				configs[h].Port = nodes[h].Port()
			}
			awaitGone(t, nodes[near], "ben")
			ping, err := nodes[near].Ping(t.Context(), "ben")
			if err != nil {
				t.Fatalf("run %d: %v", run, err)
			}
			if took := ping.Timing.Secured; took > 3*time.Second { // not at once, but after a lost SYN; a NAT that refuses takes all of 6 s
				return fmt.Errorf("run %d: took %v", run, took)
			}
			return nil
		})
	}
}

// awaitGone waits until node has no session with a peer that was restarted: it may not have heard of the end yet.
func awaitGone(t *testing.T, node *bodkin.Node, peer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	linked := false
	for event, err := range node.Watch(ctx) {
		switch {
		case err != nil:
			t.Fatal(err)
		case event.Kind == bodkin.Linked && event.Peer.Name == peer:
			linked = true
		case event.Kind == bodkin.Unlinked && event.Peer.Name == peer:
			return
		case event.Kind == bodkin.Current && !linked:
			return
		}
	}
}

// TestNoSYNGoesToAStranger counts every SYN of a dial at the border of the lab.
func TestNoSYNGoesToAStranger(t *testing.T) {
	w := newWorld(t)
	near := behind(w.lab.NAT("near", natlab.Linux()), "a")
	far := behind(w.lab.NAT("far", natlab.Linux()), "b")
	if err := w.connect(t, near, far); err != nil {
		t.Fatal(err)
	}
	known := map[netip.Addr]bool{w.server.Addr(): true, near.outside: true, far.outside: true}
	for from, targets := range w.lab.SYNs() {
		for to, count := range targets {
			if !known[to.Addr()] {
				t.Errorf("%d SYNs from %v to the stranger %v", count, from, to)
			}
		}
	}
}

// BenchmarkDial prints the time of a dial at the delays above, and its parts.
func BenchmarkDial(b *testing.B) {
	if os.Getenv("NATLAB") == "" {
		b.Log("delays as in TestDialTakesTheTimeThatDistanceDemands; floor 140 ms")
	}
	w := newWorld(b)
	near := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a")
	far := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
	w.delays(near, far, delayAS, delayBS, delayAB)
	var secured []time.Duration
	for b.Loop() {
		secured = append(secured, w.timeDial(b, near, far).Secured)
	}
	slices.Sort(secured)
	b.ReportMetric(ms(secured[len(secured)/2]), "ms-to-secured(median)")
	b.ReportMetric(0, "ns/op")
}
