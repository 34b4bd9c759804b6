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
	"slices"
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

// processEnv tells this test program to be a server, and how.
const processEnv = "BODKIN_TEST_SERVER"

func TestMain(m *testing.M) {
	if setup := os.Getenv(processEnv); setup != "" {
		serveProcess(setup)
		return
	}
	os.Exit(m.Run())
}

// A setup is what the server process is told, as JSON.
type setup struct {
	Home   string
	Limits server.Limits
	Rooms  []identity.RoomID // served; nil: all
}

// A usage is what the server process tells of itself.
type usage struct {
	RSS        int64 // bytes
	Heap       int64 // bytes
	CPU        time.Duration
	Goroutines int
	Stats      server.Stats
}

// serveProcess prints its address and answers each line with its usage; before the answer to "rest" it collects garbage.
func serveProcess(text string) {
	var config setup
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		panic(err)
	}
	key := must(identity.LoadOrCreateKey(filepath.Join(config.Home, "key")))
	tickets := must(identity.LoadOrCreateTicketKeys(filepath.Join(config.Home, "tickets"), time.Now()))
	s := must(server.New(server.Config{TLS: must(identity.ServerConfig(key, tickets)), Limits: config.Limits,
		RoomServed: func(id identity.RoomID) bool { return config.Rooms == nil || slices.Contains(config.Rooms, id) }}))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go s.Serve(context.Background(), []net.Listener{listener}, nil)
	fmt.Println(listener.Addr(), key.ServerID())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "rest" {
			debug.FreeOSMemory()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		json.NewEncoder(os.Stdout).Encode(usage{residentBytes(), int64(m.HeapAlloc), cpuTime(), runtime.NumGoroutine(), s.Stats()})
	}
}

// A process is the server process, seen from here.
type process struct {
	addr string
	id   identity.ServerID
	in   io.Writer
	out  *bufio.Reader
}

func startProcess(t testing.TB, limits server.Limits, rooms []identity.RoomID) *process {
	t.Helper()
	command := exec.CommandContext(t.Context(), must(os.Executable()))
	command.Env = append(os.Environ(), processEnv+"="+string(must(json.Marshal(setup{t.TempDir(), limits, rooms}))))
	command.Stderr = os.Stderr
	in, out := must(command.StdinPipe()), must(command.StdoutPipe())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); command.Wait() })
	s := &process{in: in, out: bufio.NewReader(out)}
	fields := strings.Fields(must(s.out.ReadString('\n')))
	s.addr, s.id = fields[0], must(identity.ParseServerID(fields[1]))
	return s
}

func (s *process) usage(t testing.TB, command string) (u usage) {
	t.Helper()
	fmt.Fprintln(s.in, command)
	if err := json.Unmarshal(must(s.out.ReadBytes('\n')), &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// A plainNode is as little of a node as the server can be told by.
type plainNode struct {
	conn   *tls.Conn
	reader *bufio.Reader
	id     identity.NodeID
}

func newPlainNode(conn *tls.Conn, key identity.Key) *plainNode {
	return &plainNode{conn: conn, reader: bufio.NewReaderSize(conn, 512), id: key.NodeID()}
}

// connect returns a registered node.
func (s *process) connect(room identity.Room, key identity.Key, cache tls.ClientSessionCache, primary bool) (*plainNode, error) {
	conn, err := tls.Dial("tcp", s.addr, must(identity.NodeConfig(key, room, s.id, cache)))
	if err != nil {
		return nil, err
	}
	n := newPlainNode(conn, key)
	if err := n.register(room, primary); err != nil {
		return nil, err
	}
	if m, err := n.receive(); err != nil || m.GetWelcome() == nil {
		return nil, fmt.Errorf("no welcome but %v, %v", m, err)
	}
	return n, nil
}

func (n *plainNode) register(room identity.Room, primary bool) error {
	return n.send(&wire.ClientMessage{Body: &wire.ClientMessage_Register{Register: &wire.Register{
		Version: wire.Version, Primary: primary, NameTag: tagOf(room, n.id.Short()), SealedProfile: room.Seal(n.id, make([]byte, 120))}}})
}

func tagOf(room identity.Room, name string) []byte { tag := room.NameTag(name); return tag[:] }

func (n *plainNode) send(m *wire.ClientMessage) error { return wire.Write(n.conn, m) }

func (n *plainNode) receive() (*wire.ServerMessage, error) {
	m := &wire.ServerMessage{}
	return m, wire.Read(n.reader, m)
}

// connectMany connects count nodes in rooms of ten, with as many at a time as the server makes handshakes.
func (s *process) connectMany(b testing.TB, count int) []*plainNode {
	b.Helper()
	nodes := make([]*plainNode, count)
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
