package bodkin_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

var leakNodes = flag.Int("leak-nodes", 4, "nodes that TestNothingIsLeftOfSessions links with each other; with 33 it plays 528 sessions, 2,112 streams and 105 resets")

// A ledger is what a process holds.
type ledger struct {
	goroutines, descriptors int
	memory                  int64 // live objects and stacks
}

func takeStock(t *testing.T) ledger {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return ledger{runtime.NumGoroutine(), len(open), int64(m.HeapAlloc + m.StackInuse)}
}

// TestNothingIsLeftOfSessions links nodes on real sockets with each other, opens streams, resets a fifth of the connections under them,
// and closes everything, twice: goroutines, descriptors and memory are after the second time as after the first, in which the process
// came to have what it keeps (the runtime knows of goroutines that are no more). It tells what an idle session holds meanwhile.
func TestNothingIsLeftOfSessions(t *testing.T) {
	t.Run("once", func(t *testing.T) { playSessions(t, *leakNodes) })
	start := atRest(t)
	t.Run("again", func(t *testing.T) { playSessions(t, *leakNodes) })
	for deadline := time.Now().Add(20 * time.Second); ; { // what the kernel or a timer has still to do comes to an end by itself
		end := atRest(t)
		if end.goroutines <= start.goroutines && end.descriptors <= start.descriptors && end.memory <= start.memory+2<<20 {
			t.Logf("after the first time %+v, after the second %+v", start, end)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the first time there is %+v, after the second %+v", start, end)
		}
	}
}

// idleMost is what an end of an idle session with four streams may hold. The figure is less than half of that.
const idleMost = 384 << 10

func playSessions(t *testing.T, nodes int) {
	m := newMeshOf(t, nodes)
	before := takeStock(t)
	m.talk(t)
	ends := len(m.nodes) * (len(m.nodes) - 1)
	held := func(what string) (memory int64) {
		now := atRest(t)
		memory = (now.memory - before.memory) / int64(ends)
		t.Logf("%s, each of %d ends of sessions with 4 streams holds %d KiB, %.1f descriptors and %.1f goroutines", what, ends, memory>>10,
			float64(now.descriptors-before.descriptors)/float64(ends), float64(now.goroutines-before.goroutines)/float64(ends))
		return memory
	}
	if memory := held("idle"); memory > idleMost {
		t.Errorf("an end of an idle session holds %d KiB", memory>>10)
	}
	resets := 0
	for i := 0; i < len(m.pairs); i += 5 {
		m.nodes[m.pairs[i].from].ResetCarriers(name(m.pairs[i].to))
		resets++
	}
	m.say(t, 2)
	if memory := held(fmt.Sprintf("after %d resets", resets)); memory > idleMost {
		t.Errorf("after resets an end of an idle session holds %d KiB", memory>>10)
	}
	m.close()
}

func name(i int) string { return fmt.Sprintf("n%d", i) }

// A meshOf is nodes of which each has a session with each, and four streams in it.
type meshOf struct {
	nodes []*bodkin.Node
	stop  func()
	pairs []pairOf
}

// A pairOf is two nodes and the streams from one to the other.
type pairOf struct {
	from, to int
	near     []*bodkin.Conn
}

func newMeshOf(t *testing.T, nodes int) *meshOf {
	t.Helper()
	m := &meshOf{}
	invite, stop := startServer(t, t.TempDir(), "127.0.0.1:0", "127.0.0.1:0")
	m.stop = stop
	for i := range nodes {
		n := joinRoom(t, invite, bodkin.Config{Name: name(i), NoLAN: true})
		repeat(t, n)
		m.nodes = append(m.nodes, n)
	}
	for from := range nodes {
		for to := range from {
			m.pairs = append(m.pairs, pairOf{from: from, to: to})
		}
	}
	return m
}

// repeat serves a service that sends each byte back, and holds next to nothing for it.
func repeat(t *testing.T, n *bodkin.Node) {
	listener, err := n.Listen("echo")
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
				var b [1]byte
				for {
					if _, err := conn.Read(b[:]); err != nil {
						return
					}
					if _, err := conn.Write(b[:]); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// talk opens the streams, of which each says something.
func (m *meshOf) talk(t *testing.T) {
	t.Helper()
	var work sync.WaitGroup
	for from := range m.nodes { // each its own after another: the server limits the dials of one
		work.Go(func() {
			for i := range m.pairs {
				if p := &m.pairs[i]; p.from == from {
					for range 4 {
						p.near = append(p.near, m.dial(t, p))
					}
				}
			}
		})
	}
	work.Wait()
	if t.Failed() {
		t.FailNow()
	}
	m.say(t, 1)
}

// dial opens a stream, if need be later: the server has limits.
func (m *meshOf) dial(t *testing.T, p *pairOf) *bodkin.Conn {
	for {
		conn, err := m.nodes[p.from].Dial(t.Context(), name(p.to), "echo")
		var refused *bodkin.RefusedError
		switch {
		case err == nil:
			return conn
		case errors.As(err, &refused) && refused.RetryAfter > 0:
			<-time.After(refused.RetryAfter)
		default:
			t.Errorf("%d dials %d: %v", p.from, p.to, err)
			return nil
		}
	}
}

// say sends on every stream and waits for what comes back.
func (m *meshOf) say(t *testing.T, value byte) {
	t.Helper()
	for _, p := range m.pairs {
		for _, conn := range p.near {
			if _, err := conn.Write([]byte{value}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range m.pairs {
		for _, conn := range p.near {
			answer := make([]byte, 1)
			if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != value {
				t.Fatalf("%d hears %d from %d: %v", p.from, answer[0], p.to, err)
			}
		}
	}
}

// atRest takes stock once nothing seems to be under way any more: for 0.3 s nothing became less.
func atRest(t *testing.T) ledger {
	t.Helper()
	least := takeStock(t)
	for quiet := 0; quiet < 3; quiet++ {
		<-time.After(100 * time.Millisecond)
		now := takeStock(t)
		if now.goroutines < least.goroutines || now.descriptors < least.descriptors || now.memory < least.memory-1<<20 {
			quiet = 0
		}
		least = now
	}
	return least
}

func (m *meshOf) close() {
	var closing sync.WaitGroup
	for _, n := range m.nodes {
		closing.Go(func() { n.Close() })
	}
	closing.Wait()
	m.stop()
}

// TestWhatABusySessionHolds has one node write all it can to a peer that reads, and to one that does not, and bounds what the session
// holds at both ends together: what is on the way and not acknowledged, and the window of each stream that is not read.
func TestWhatABusySessionHolds(t *testing.T) {
	const while = time.Second
	for _, c := range []struct {
		name    string
		streams int
		reads   bool
		bound   int64 // MiB
	}{
		{"one stream, the peer reads", 1, true, 96},
		{"one stream, the peer reads nothing", 1, false, 16},
		{"100 streams, the peer reads nothing", 100, false, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			invite := loopbackServer(t)
			ada, ben := joinRoom(t, invite, bodkin.Config{Name: "ada", NoLAN: true}), joinRoom(t, invite, bodkin.Config{Name: "ben", NoLAN: true})
			listener, err := ben.Listen("sink")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					conn, err := listener.AcceptConn()
					if err != nil {
						return
					}
					if c.reads {
						go io.Copy(io.Discard, conn)
					}
				}
			}()
			before := takeStock(t)
			var work sync.WaitGroup
			var most atomic.Int64
			block := make([]byte, 64<<10)
			ctx, cancel := context.WithTimeout(t.Context(), while)
			defer cancel()
			var wrote atomic.Int64
			for range c.streams {
				conn, err := ada.Dial(t.Context(), "ben", "sink")
				if err != nil {
					t.Fatal(err)
				}
				conn.SetWriteDeadline(time.Now().Add(while))
				work.Go(func() {
					for {
						n, err := conn.Write(block)
						wrote.Add(int64(n))
						if err != nil {
							return
						}
					}
				})
			}
			for over := false; !over; {
				<-time.After(200 * time.Millisecond)
				over = ctx.Err() != nil
				most.Store(max(most.Load(), takeStock(t).memory-before.memory))
			}
			work.Wait()
			t.Logf("%s: %d MiB written, %d KiB held by both ends at most", c.name, wrote.Load()>>20, most.Load()>>10)
			if most.Load() > c.bound<<20 {
				t.Errorf("both ends hold %d MiB, want at most %d", most.Load()>>20, c.bound)
			}
		})
	}
}
