package server

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// The tests of this file's package drive the server without sockets: a fake connection has the zero keys of package record
// at both ends, gets messages as if they had come, and keeps what was sent.

// newTestServer returns a server that does not serve. What runs in goroutines there, a test runs by itself.
func newTestServer(t testing.TB, limits Limits) *Server {
	t.Helper()
	s, err := New(Config{TLS: &tls.Config{}, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A fakeSocket is what a connection sends to.
type fakeSocket struct {
	mu       sync.Mutex
	receiver record.Receiver
	messages []*wire.ServerMessage
	waiting  int // as if so many bytes could not be sent
	since    time.Time
	closed   bool
	finished bool
	fails    error // of Send; nil: none
}

func (f *fakeSocket) Start()  {}
func (f *fakeSocket) Finish() { f.mu.Lock(); f.finished = true; f.mu.Unlock() }
func (f *fakeSocket) Close()  { f.mu.Lock(); f.closed = true; f.mu.Unlock() }

func (f *fakeSocket) Pending() (int, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting, f.since
}

func (f *fakeSocket) Send(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil || f.closed || f.finished {
		return fmt.Errorf("%w or %v", net.ErrClosed, f.fails)
	}
	f.receiver.Receive(slices.Clone(b), func(data []byte) error {
		for len(data) > 0 {
			m := &wire.ServerMessage{}
			n, err := wire.Decode(data, m)
			if err != nil {
				panic(fmt.Sprintf("server sent a broken frame: %v", err))
			}
			f.messages = append(f.messages, m)
			data = data[n:]
		}
		return nil
	}, func() {})
	return nil
}

// take returns what was sent since the last take.
func (f *fakeSocket) take() []*wire.ServerMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	messages := f.messages
	f.messages = nil
	return messages
}

func (f *fakeSocket) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// A fakeNode is a connection with its fake socket.
type fakeNode struct {
	*conn
	far *fakeSocket
}

// take returns what the node was sent since the last take.
func (f *fakeNode) take() []*wire.ServerMessage { return f.far.take() }

// connect adds a connection of node n of the room, which has not registered yet.
func connect(s *Server, room byte, n uint64) *fakeNode {
	f := &fakeNode{far: &fakeSocket{}}
	f.conn = &conn{server: s, socket: f.far, node: nodeID(n),
		remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 40000+uint16(n%20000))}
	f.heard.Store(int64(s.now()))
	s.connections.enter(f.remote.Addr())
	f.room = s.registry.enter(identity.RoomID{room})
	s.table.add(f.conn)
	s.sweeper.reap(f.conn, s.limits.RegisterTimeout)
	return f
}

// join is connect, and registers.
func join(s *Server, room byte, n uint64) *fakeNode {
	f := connect(s, room, n)
	f.say(registering(n, true))
	f.take()
	return f
}

// say has the server take m from the node.
func (f *fakeNode) say(m *wire.ClientMessage) error {
	b, err := wire.Append(nil, m)
	if err != nil {
		panic(err)
	}
	return f.read(b)
}

func nodeID(n uint64) identity.NodeID {
	var id identity.NodeID
	binary.BigEndian.PutUint64(id[24:], n)
	return id
}

func registering(n uint64, primary bool) *wire.ClientMessage {
	id := nodeID(n)
	return &wire.ClientMessage{Body: &wire.ClientMessage_Register{Register: &wire.Register{
		Version: 1, Primary: primary, NameTag: id[16:], SealedProfile: fmt.Appendf(nil, "profile of %d", n)}}}
}

func dialNode(request, n uint64) *wire.ClientMessage {
	id := nodeID(n)
	return &wire.ClientMessage{Body: &wire.ClientMessage_Dial{Dial: &wire.Dial{Request: request, Target: &wire.Dial_Node{Node: id[:]}}}}
}

func pingMessage(rtt time.Duration) *wire.ClientMessage {
	return &wire.ClientMessage{Body: &wire.ClientMessage_Ping{Ping: &wire.Ping{RttUs: uint32(rtt.Microseconds())}}}
}

func watchMessage(on bool) *wire.ClientMessage {
	return &wire.ClientMessage{Body: &wire.ClientMessage_Watch{Watch: &wire.Watch{On: on}}}
}

// refusal returns the code of the only message taken, which has to be Refused.
func (f *fakeNode) refusal(t *testing.T) wire.Refused_Code {
	t.Helper()
	messages := f.take()
	if len(messages) != 1 || messages[0].GetRefused() == nil {
		t.Fatalf("node %x was sent %v, want Refused", f.node[24:], messages)
	}
	if !f.far.finished {
		t.Errorf("node %x was refused, but its connection goes on", f.node[24:])
	}
	return messages[0].GetRefused().Code
}

// newRandom returns numbers that are others in each run, and can be had again by the seed in the log.
func newRandom(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	if text := os.Getenv("BODKIN_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("BODKIN_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// canceled is a context that has ended.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
