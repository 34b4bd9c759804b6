package main

import (
	"context"
	"iter"
	"net"
	"sync"
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// fakeRoom is a room whose nodes are all here; streams are TCP over loopback.
type fakeRoom struct {
	mu    sync.Mutex
	nodes map[string]*fakeNode
}

type fakeNode struct {
	room      *fakeRoom
	id        bodkin.NodeID
	name      string
	listeners map[string]*fakeListener // guarded by room.mu
	events    chan bodkin.Event
}

// join adds a node, of which those who are there are told, and the other way round.
func (r *fakeRoom) join(t *testing.T, name string) *fakeNode {
	t.Helper()
	key, err := bodkin.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	n := &fakeNode{room: r, id: key.NodeID(), name: name, listeners: map[string]*fakeListener{}, events: make(chan bodkin.Event, 100)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nodes == nil {
		r.nodes = map[string]*fakeNode{}
	}
	for _, other := range r.nodes {
		n.events <- bodkin.Event{Kind: bodkin.Joined, Peer: bodkin.Peer{ID: other.id, Name: other.name}}
		other.events <- bodkin.Event{Kind: bodkin.Joined, Peer: bodkin.Peer{ID: n.id, Name: name}}
	}
	n.events <- bodkin.Event{Kind: bodkin.Current}
	r.nodes[n.id.String()] = n
	return n
}

func (n *fakeNode) ID() bodkin.NodeID                             { return n.id }
func (n *fakeNode) Name() string                                  { return n.name }
func (n *fakeNode) Close() error                                  { return nil }
func (n *fakeNode) Status(context.Context) (bodkin.Status, error) { return bodkin.Status{}, nil }
func (n *fakeNode) Diagnose(context.Context) (bodkin.Diagnosis, error) {
	return bodkin.Diagnosis{}, nil
}
func (n *fakeNode) Peers(context.Context) ([]bodkin.Peer, error)      { return nil, nil }
func (n *fakeNode) Ping(context.Context, string) (bodkin.Ping, error) { return bodkin.Ping{}, nil }

func (n *fakeNode) Watch(ctx context.Context) iter.Seq2[bodkin.Event, error] {
	return func(yield func(bodkin.Event, error) bool) {
		for {
			select {
			case event := <-n.events:
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

func (n *fakeNode) Listen(_ context.Context, service string) (control.Listener, error) {
	n.room.mu.Lock()
	defer n.room.mu.Unlock()
	l := &fakeListener{node: n, service: service, streams: make(chan control.Stream, 10), done: make(chan struct{})}
	n.listeners[service] = l
	return l, nil
}

func (n *fakeNode) Dial(_ context.Context, peer, service string) (control.Stream, error) {
	n.room.mu.Lock()
	defer n.room.mu.Unlock()
	other := n.room.nodes[peer]
	if other == nil {
		return nil, bodkin.ErrPeerUnavailable
	}
	l := other.listeners[service]
	if l == nil {
		return nil, bodkin.ErrServiceUnknown
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer inner.Close()
	near, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := inner.Accept()
	if err != nil {
		return nil, err
	}
	l.streams <- &fakeStream{far.(*net.TCPConn), n, service}
	return &fakeStream{near.(*net.TCPConn), other, service}, nil
}

type fakeListener struct {
	node    *fakeNode
	service string
	streams chan control.Stream
	done    chan struct{}
	once    sync.Once
}

func (l *fakeListener) Accept() (control.Stream, error) {
	select {
	case stream := <-l.streams:
		return stream, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error {
	l.once.Do(func() {
		l.node.room.mu.Lock()
		delete(l.node.listeners, l.service)
		l.node.room.mu.Unlock()
		close(l.done)
	})
	return nil
}

type fakeStream struct {
	*net.TCPConn
	peer    *fakeNode
	service string
}

func (s *fakeStream) Peer() bodkin.NodeID { return s.peer.id }
func (s *fakeStream) PeerName() string    { return s.peer.name }
func (s *fakeStream) Service() string     { return s.service }
func (s *fakeStream) Abort() error        { return s.Close() }
func (s *fakeStream) Refuse(string) error { return s.Close() }
func (s *fakeStream) Path() bodkin.Path   { return bodkin.Path{Kind: bodkin.Direct} }
