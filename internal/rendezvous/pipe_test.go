package rendezvous

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// The tests of the client run in synctest bubbles, where hours pass in no time. The server is played by the test, over net.Pipe.

// A stage is where a test plays the server.
type stage struct {
	t      *testing.T
	key    identity.Key
	room   identity.Room
	dialed chan *playedConn // connections that the client opened to "the server"
	refuse atomic.Bool      // dials fail
	client *Client
	ended  chan error // Run's
	stop   context.CancelFunc
	states []State
	told   []Introduction
	over   []OverReason
}

var errNoRoute = errors.New("no route in this test")

func newStage(t *testing.T, change func(*ClientConfig)) *stage {
	t.Helper()
	s := &stage{t: t, key: must(identity.NewKey()), room: must(identity.NewRoom()), dialed: make(chan *playedConn, 100), ended: make(chan error, 1)}
	node := must(identity.NewKey())
	config := ClientConfig{
		Servers: []string{"192.0.2.1:4000"},
		Dial: func(_ context.Context, remote netip.AddrPort) (net.Conn, error) {
			if s.refuse.Load() {
				return nil, errNoRoute
			}
			near, far := net.Pipe()
			s.dialed <- &playedConn{stage: s, raw: far, remote: remote}
			return pipeConn{near}, nil
		},
		TLS: must(identity.NodeConfig(node, s.room, s.key.ServerID(), nil)),
		Profile: func() Registration {
			return Registration{Sealed: []byte("sealed"), NameTag: s.room.NameTag("a"), Primary: true, PortReuse: PortReuseWorks}
		},
		Introduced: func(i Introduction) { s.told = append(s.told, i) },
		Over:       func(_ wire.AttemptID, reason OverReason) { s.over = append(s.over, reason) },
		Seen:       func(state State) { s.states = append(s.states, state) },
	}
	if change != nil {
		change(&config)
	}
	s.client = NewClient(config)
	return s
}

// A pipeConn is a pipe that says it leaves from the node's port.
type pipeConn struct{ net.Conn }

func (pipeConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 40000} }

// run runs the client until the test ends.
func (s *stage) run() {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(s.t.Context())
	go func() { s.ended <- s.client.Run(ctx) }()
}

// A playedConn is the server's end of one connection.
type playedConn struct {
	stage    *stage
	raw      net.Conn
	remote   netip.AddrPort // where the client dialled
	isSample bool           // of a hole connection
	hold     time.Duration  // of a hole connection
	conn     *tls.Conn
	said     chan *wire.ClientMessage // closed at the end of the connection
	closed   chan time.Time           // holds when it ended
	err      error                    // of the reader, once said is closed
}

// accept returns the next connection after its handshake.
func (s *stage) accept() *playedConn {
	s.t.Helper()
	p := <-s.dialed
	p.conn = tls.Server(p.raw, must(identity.ServerConfig(s.key, nil)))
	if err := p.conn.Handshake(); err != nil {
		s.t.Fatalf("handshake: %v", err)
	}
	p.said, p.closed = make(chan *wire.ClientMessage, 1000), make(chan time.Time, 1)
	go func() {
		defer close(p.said)
		for reader := bufio.NewReader(p.conn); ; {
			m := &wire.ClientMessage{}
			if p.err = wire.Read(reader, m); p.err != nil {
				p.closed <- time.Now()
				p.raw.Close()
				return
			}
			p.said <- m
		}
	}()
	return p
}

// welcomed accepts a connection and welcomes the node.
func (s *stage) welcomed(welcome *wire.Welcome) *playedConn {
	s.t.Helper()
	p := s.accept()
	if r := p.next().GetRegister(); r == nil {
		s.t.Fatal("the first message is not Register")
	}
	if welcome.Observed == nil {
		welcome.Observed = wire.NewEndpoint(netip.MustParseAddrPort("203.0.113.7:30000"))
	}
	if welcome.HoleToken == nil {
		welcome.HoleToken = make([]byte, 24)
	}
	p.say(&wire.ServerMessage{Body: &wire.ServerMessage_Welcome{Welcome: welcome}})
	return p
}

var plainWelcome = &wire.Welcome{PingIntervalMs: 20_000}

func (p *playedConn) say(m *wire.ServerMessage) {
	p.stage.t.Helper()
	if err := wire.Write(p.conn, m); err != nil {
		p.stage.t.Fatalf("say %v: %v", m, err)
	}
}

// next returns the next message that is no Ping, nil at the end of the connection.
func (p *playedConn) next() *wire.ClientMessage {
	for m := range p.said {
		if m.GetPing() == nil {
			return m
		}
	}
	return nil
}

// pong answers pings until the connection ends, after delay each. Other messages are dropped.
func (p *playedConn) pong(delay time.Duration) {
	for m := range p.said {
		if m.GetPing() != nil {
			time.Sleep(delay)
			if wire.Write(p.conn, &wire.ServerMessage{Body: &wire.ServerMessage_Pong{Pong: &wire.Pong{}}}) != nil {
				return
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// playHandshake makes the server's handshake with key, as far as it goes.
func playHandshake(p *playedConn, key identity.Key) error {
	p.conn = tls.Server(p.raw, must(identity.ServerConfig(key, nil)))
	defer p.raw.SetDeadline(time.Time{})
	p.raw.SetDeadline(time.Now().Add(time.Minute))
	return p.conn.Handshake()
}

// playWelcome goes on to the welcome, after which nothing is read.
func playWelcome(p *playedConn, key identity.Key) error {
	if err := playHandshake(p, key); err != nil {
		p.raw.Close()
		return err
	}
	if err := wire.Read(bufio.NewReader(p.conn), &wire.ClientMessage{}); err != nil {
		p.raw.Close()
		return err
	}
	return wire.Write(p.conn, &wire.ServerMessage{Body: &wire.ServerMessage_Welcome{Welcome: &wire.Welcome{
		Observed: wire.NewEndpoint(netip.MustParseAddrPort("203.0.113.7:30000")), HoleToken: make([]byte, 24), PingIntervalMs: 20_000}}})
}

// playRegistration is playWelcome with 50 ms before each answer; it then answers pings until the client goes.
func playRegistration(p *playedConn, key identity.Key) {
	defer p.raw.Close()
	time.Sleep(50 * time.Millisecond)
	if playWelcome(p, key) != nil {
		return
	}
	for reader := bufio.NewReader(p.conn); ; {
		if wire.Read(reader, &wire.ClientMessage{}) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
		if wire.Write(p.conn, &wire.ServerMessage{Body: &wire.ServerMessage_Pong{Pong: &wire.Pong{}}}) != nil {
			return
		}
	}
}

// unchecked frames m without looking whether it is legal.
func unchecked(m proto.Message) []byte {
	b := must(proto.Marshal(m))
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}
