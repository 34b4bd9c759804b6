package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// The benchmarks run the server in a process of its own, so that its memory and CPU time are its alone:
//
//	go test -run '^$' -bench . ./internal/rendezvous/server
//
// BODKIN_BENCH_NODES sets the number of idle nodes, 10,000 by default.

const benchServerEnv = "BODKIN_BENCH_SERVER"

func TestMain(m *testing.M) {
	if home := os.Getenv(benchServerEnv); home != "" {
		runBenchServer(home)
		return
	}
	os.Exit(m.Run())
}

// A usage is what the server process tells of itself.
type usage struct {
	RSS        int64 // bytes
	Heap       int64 // live, after a collection
	CPU        time.Duration
	Goroutines int
	Nodes      int
}

// runBenchServer is the server process: it prints its address and answers each line with its usage. "rest" collects first.
func runBenchServer(home string) {
	key := must(identity.LoadOrCreateKey(filepath.Join(home, "key")))
	tickets := must(identity.LoadOrCreateTicketKeys(filepath.Join(home, "tickets"), time.Now()))
	unlimited := 1 << 30
	s := must(server.New(server.Config{TLS: must(identity.ServerConfig(key, tickets)), Limits: server.Limits{
		ConnectionsPerAddress: unlimited, ConnectionsPerNode: unlimited, HandshakesPerAddress: unlimited, DialsPerSecond: unlimited,
		DialsPerMinute: unlimited, MessagesPerSecond: unlimited, AttemptsPerNode: unlimited}}))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go s.Serve(context.Background(), []net.Listener{listener}, nil)
	fmt.Println(listener.Addr(), key.ServerID())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "rest" {
			debug.FreeOSMemory()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		json.NewEncoder(os.Stdout).Encode(usage{RSS: residentBytes(), Heap: int64(m.HeapAlloc), CPU: cpuTime(), Goroutines: runtime.NumGoroutine(), Nodes: s.Stats().Nodes})
	}
}

// A benchServer is the other end of that process.
type benchServer struct {
	addr string
	id   identity.ServerID
	in   io.Writer
	out  *bufio.Reader
}

func startBenchServer(b *testing.B) *benchServer {
	b.Helper()
	command := exec.CommandContext(b.Context(), must(os.Executable()))
	command.Env = append(os.Environ(), benchServerEnv+"="+b.TempDir())
	command.Stderr = os.Stderr
	in, out := must(command.StdinPipe()), must(command.StdoutPipe())
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); command.Wait() })
	s := &benchServer{in: in, out: bufio.NewReader(out)}
	fields := strings.Fields(must(s.out.ReadString('\n')))
	s.addr, s.id = fields[0], must(identity.ParseServerID(fields[1]))
	return s
}

func (s *benchServer) usage(b *testing.B, command string) (u usage) {
	b.Helper()
	fmt.Fprintln(s.in, command)
	if err := json.Unmarshal(must(s.out.ReadBytes('\n')), &u); err != nil {
		b.Fatal(err)
	}
	return u
}

// A benchNode is as little of a node as the server can be told by.
type benchNode struct {
	conn   *tls.Conn
	reader *bufio.Reader
	id     identity.NodeID
}

func (s *benchServer) connect(room identity.Room, key identity.Key, cache tls.ClientSessionCache, primary bool) (*benchNode, error) {
	conn, err := tls.Dial("tcp", s.addr, must(identity.NodeConfig(key, room, s.id, cache)))
	if err != nil {
		return nil, err
	}
	n := &benchNode{conn: conn, reader: bufio.NewReaderSize(conn, 512), id: key.NodeID()}
	name := n.id.Short()
	err = n.send(&wire.ClientMessage{Body: &wire.ClientMessage_Register{Register: &wire.Register{
		Version: wire.Version, Primary: primary, NameTag: tagOf(room, name), SealedProfile: room.Seal(n.id, make([]byte, 120))}}})
	if err != nil {
		return nil, err
	}
	if m, err := n.receive(); err != nil || m.GetWelcome() == nil {
		return nil, fmt.Errorf("no welcome but %v, %v", m, err)
	}
	return n, nil
}

func tagOf(room identity.Room, name string) []byte { tag := room.NameTag(name); return tag[:] }

func (n *benchNode) send(m *wire.ClientMessage) error { return wire.Write(n.conn, m) }

func (n *benchNode) receive() (*wire.ServerMessage, error) {
	m := &wire.ServerMessage{}
	return m, wire.Read(n.reader, m)
}

// connectMany connects count nodes in rooms of ten, with as many at a time as the server makes handshakes.
func (s *benchServer) connectMany(b *testing.B, count int) []*benchNode {
	b.Helper()
	nodes := make([]*benchNode, count)
	var rooms []identity.Room
	for range (count + 9) / 10 {
		rooms = append(rooms, must(identity.NewRoom()))
	}
	var next atomic.Int64
	var connecting sync.WaitGroup
	for range 16 {
		connecting.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				n, err := s.connect(rooms[i/10], must(identity.NewKey()), nil, true)
				if err != nil {
					b.Errorf("node %d: %v", i, err)
					return
				}
				nodes[i] = n
			}
		})
	}
	connecting.Wait()
	b.Cleanup(func() {
		for _, n := range nodes {
			if n != nil {
				n.conn.NetConn().Close()
			}
		}
	})
	if b.Failed() {
		b.FailNow()
	}
	return nodes
}

// BenchmarkIdleNodes tells what an idle node costs the server, and how many introductions it makes among them.
func BenchmarkIdleNodes(b *testing.B) {
	count := 10_000
	if text := os.Getenv("BODKIN_BENCH_NODES"); text != "" {
		count = must(strconv.Atoi(text))
	}
	s := startBenchServer(b)
	before, slabBefore := s.usage(b, "rest"), slabBytes()
	nodes := s.connectMany(b, count)
	asIs := s.usage(b, "now")
	rest, slab := s.usage(b, "rest"), slabBytes()
	if rest.Nodes != count {
		b.Fatalf("%d nodes, want %d", rest.Nodes, count)
	}
	b.Run("Memory", func(b *testing.B) {
		for b.Loop() { // nothing to repeat: it was measured above
		}
		each := func(bytes int64) float64 { return float64(bytes) / float64(count) }
		b.ReportMetric(each(asIs.RSS-before.RSS), "rss-B/node")
		b.ReportMetric(each(rest.RSS-before.RSS), "rss-at-rest-B/node")
		b.ReportMetric(each(rest.Heap-before.Heap), "heap-B/node")
		b.ReportMetric(each(slab-slabBefore)/2, "kernel-B/socket")
		b.ReportMetric(float64(rest.Goroutines), "goroutines")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("Introductions", func(b *testing.B) { introduceAll(b, s, nodes) })
}

// introduceAll has the first node of each room dial its neighbours in turn, and waits for both introductions each time.
func introduceAll(b *testing.B, s *benchServer, nodes []*benchNode) {
	const each = 20 // introductions in a room in one turn
	before, start := s.usage(b, "now"), time.Now()
	total := 0
	for b.Loop() {
		var rooms sync.WaitGroup
		slots := make(chan struct{}, 64)
		for i := 0; i+9 < len(nodes); i += 10 {
			total += each
			slots <- struct{}{}
			rooms.Go(func() {
				defer func() { <-slots }()
				for k := range each {
					if err := introduce(nodes[i], nodes[i+1+k%9]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		rooms.Wait()
	}
	after := s.usage(b, "now")
	b.ReportMetric(float64(total)/time.Since(start).Seconds(), "introductions/s")
	b.ReportMetric(float64((after.CPU-before.CPU).Microseconds())/float64(total), "server-us/introduction")
}

func introduce(dialer, callee *benchNode) error {
	if err := dialer.send(&wire.ClientMessage{Body: &wire.ClientMessage_Dial{Dial: &wire.Dial{Request: 1, Target: &wire.Dial_Node{Node: callee.id[:]}}}}); err != nil {
		return err
	}
	for _, n := range []*benchNode{dialer, callee} {
		m, err := n.receive()
		if err != nil {
			return err
		}
		if i := m.GetIntroduction(); i == nil {
			return fmt.Errorf("no introduction but %v", m)
		} else if n == callee {
			return dialer.send(&wire.ClientMessage{Body: &wire.ClientMessage_Finished{Finished: &wire.Finished{Attempt: i.Attempt, Direct: true, Round: 1}}})
		}
	}
	return nil
}

// BenchmarkHandshake tells how many nodes can come back in a second: full handshakes, and resumed ones after a restart.
func BenchmarkHandshake(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		b.Run(map[bool]string{false: "Full", true: "Resumed"}[resumed], func(b *testing.B) {
			s := startBenchServer(b)
			room, key := must(identity.NewRoom()), must(identity.NewKey())
			var cache tls.ClientSessionCache
			if resumed {
				cache = tls.NewLRUClientSessionCache(1)
				must(s.connect(room, key, cache, false)).conn.Close()
			}
			before := s.usage(b, "now")
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					node := key
					if !resumed {
						node = must(identity.NewKey())
					}
					n, err := s.connect(room, node, cache, false)
					if err != nil {
						b.Error(err)
						return
					}
					n.conn.Close()
				}
			})
			after := s.usage(b, "now")
			cpu := (after.CPU - before.CPU).Seconds() / float64(b.N)
			b.ReportMetric(cpu*1e6, "server-us/handshake")
			b.ReportMetric(1/cpu, "handshakes/core-s")
		})
	}
}

func residentBytes() int64 { return procKiB("/proc/self/status", "VmRSS:") }

// slabBytes is the kernel's memory for objects, in which sockets are. It is the whole machine's.
func slabBytes() int64 { return procKiB("/proc/meminfo", "Slab:") }

// procKiB reads a line "key: n kB"; zero where there is no such file.
func procKiB(path, key string) int64 {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// cpuTime is the CPU time of this process, from /proc in ticks of 10 ms.
func cpuTime() time.Duration {
	text, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
