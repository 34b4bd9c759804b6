package control

import (
	"context"
	"iter"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

// fakeNode is a Node of which a test decides the answers. Streams are TCP over loopback: the test holds the other end.
type fakeNode struct {
	t      *testing.T
	id     bodkin.NodeID
	err    error // of everything, if set
	peers  []bodkin.Peer
	events chan bodkin.Event
	dialed chan *fakeStream             // the peer's end of each dial
	broken error                        // of every Read of a dialled stream, if set
	deaf   error                        // of every Write of one, if set
	path   *atomic.Pointer[bodkin.Path] // of its streams; nil: direct

	mu        sync.Mutex // guards the following
	listeners map[string]*fakeListener
}

func newFakeNode(t *testing.T) *fakeNode {
	t.Helper()
	key, err := bodkin.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return &fakeNode{
		t:         t,
		id:        key.NodeID(),
		events:    make(chan bodkin.Event, 10),
		dialed:    make(chan *fakeStream, 10),
		listeners: map[string]*fakeListener{},
	}
}

func (f *fakeNode) ID() bodkin.NodeID { return f.id }
func (f *fakeNode) Name() string      { return "ada" }
func (f *fakeNode) Close() error      { return nil }

func (f *fakeNode) Diagnose(context.Context) (bodkin.Diagnosis, error) {
	return bodkin.Diagnosis{Complete: true, Advice: []string{"another router"}, Samples: []bodkin.Sample{{Seen: netip.MustParseAddrPort("198.51.100.1:40000")}}}, nil
}

func (f *fakeNode) Status(context.Context) (bodkin.Status, error) {
	return bodkin.Status{Connected: true, Server: "server.example:4000"}, f.err
}

func (f *fakeNode) Peers(context.Context) ([]bodkin.Peer, error) { return f.peers, f.err }

func (f *fakeNode) Ping(_ context.Context, peer string) (bodkin.Ping, error) {
	return bodkin.Ping{Name: peer, RTT: 3 * time.Millisecond}, f.err
}

func (f *fakeNode) Watch(ctx context.Context) iter.Seq2[bodkin.Event, error] {
	return func(yield func(bodkin.Event, error) bool) {
		if f.err != nil {
			yield(bodkin.Event{}, f.err)
			return
		}
		for {
			select {
			case event := <-f.events:
				if !yield(event, nil) {
					return
				}
			case <-ctx.Done():
				yield(bodkin.Event{}, ctx.Err())
				return
			}
		}
	}
}

func (f *fakeNode) Dial(ctx context.Context, peer, service string) (Stream, error) {
	if f.err != nil {
		return nil, f.err
	}
	if peer == "nobody-answers" {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	near, far := tcptest.Pair(f.t)
	f.dialed <- &fakeStream{TCPConn: far}
	return &fakeStream{TCPConn: near, name: peer, service: service, broken: f.broken, deaf: f.deaf, path: f.path}, nil
}

func (f *fakeNode) Listen(_ context.Context, service string) (Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listeners[service] != nil {
		return nil, bodkin.ErrServiceTaken
	}
	l := &fakeListener{node: f, service: service, streams: make(chan Stream), refused: make(chan string, 10), done: make(chan struct{})}
	f.listeners[service] = l
	return l, nil
}

// call has a peer open a stream to a service, and returns the peer's end.
func (f *fakeNode) call(t *testing.T, service string) *net.TCPConn {
	t.Helper()
	f.mu.Lock()
	l := f.listeners[service]
	f.mu.Unlock()
	if l == nil {
		t.Fatalf("nobody listens on %q", service)
	}
	near, far := tcptest.Pair(t)
	select {
	case l.streams <- &fakeStream{TCPConn: near, name: "ben", service: service, refused: l.refused, aborted: &l.aborted}:
	case <-t.Context().Done():
	}
	return far
}

func (f *fakeNode) listener(service string) *fakeListener {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listeners[service]
}

func (f *fakeNode) listensOn(service string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listeners[service] != nil
}

type fakeListener struct {
	node    *fakeNode
	service string
	streams chan Stream
	refused chan string  // with which words its streams were
	aborted atomic.Int32 // of its streams
	done    chan struct{}
	once    sync.Once
}

func (l *fakeListener) Accept() (Stream, error) {
	select {
	case stream := <-l.streams:
		return stream, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error {
	l.once.Do(func() {
		l.node.mu.Lock()
		delete(l.node.listeners, l.service)
		l.node.mu.Unlock()
		close(l.done)
	})
	return nil
}

// fakeStream is a stream over TCP.
type fakeStream struct {
	*net.TCPConn
	id      bodkin.NodeID
	name    string
	service string
	broken  error
	deaf    error
	refused chan string // what Refuse was called with
	aborted *atomic.Int32
	path    *atomic.Pointer[bodkin.Path]
}

func (s *fakeStream) Read(p []byte) (int, error) {
	if s.broken != nil {
		return 0, s.broken
	}
	return s.TCPConn.Read(p)
}

func (s *fakeStream) Write(p []byte) (int, error) {
	if s.deaf != nil {
		return 0, s.deaf
	}
	return s.TCPConn.Write(p)
}

func (s *fakeStream) Peer() bodkin.NodeID { return s.id }
func (s *fakeStream) PeerName() string    { return s.name }
func (s *fakeStream) Service() string     { return s.service }

func (s *fakeStream) Path() bodkin.Path {
	if s.path == nil {
		return bodkin.Path{Kind: bodkin.Direct}
	}
	return *s.path.Load()
}

// Abort resets, so that the other end does not take it for an end.
func (s *fakeStream) Abort() error {
	if s.aborted != nil {
		s.aborted.Add(1)
	}
	s.SetLinger(0)
	return s.Close()
}

// Refuse resets too, and notes the words.
func (s *fakeStream) Refuse(reason string) error {
	s.refused <- reason
	return s.Abort()
}

// dialled has a command dial ben, and returns its end and the peer's.
func (f *fakeNode) dialled(t *testing.T, command *Client, service string) (near Stream, far *fakeStream) {
	t.Helper()
	near, err := command.Dial(t.Context(), "ben", service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return near, <-f.dialed
}

// listening has a command listen, and returns its listener and the node's.
func (f *fakeNode) listening(t *testing.T, command *Client, service string) (Listener, *fakeListener) {
	t.Helper()
	l, err := command.Listen(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, f.listener(service)
}

// connected serves node in a new home and returns a client of it, and what stops the server and waits.
func connected(t *testing.T, node Node) (client *Client, stop func()) {
	t.Helper()
	home := t.TempDir()
	l, err := Listen(home)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Server{Node: node}).Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(stop)
	client, err = Connect(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, stop
}
