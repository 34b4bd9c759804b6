package bodkin

import (
	"context"
	"net"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/session"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// backlog is how many streams may wait for a listener's Accept; more are refused as busy.
const backlog = 64

// services is what a node listens on.
type services struct {
	mu        sync.Mutex
	listeners map[string]*Listener
	closed    bool
}

// A Listener accepts the streams that peers open to one service. It is a net.Listener.
type Listener struct {
	service string
	node    *Node
	streams chan *Conn
	done    chan struct{}
	once    sync.Once
}

// Listen accepts streams for a service: a name of up to 128 printable characters.
//
// Errors: [ErrServiceTaken], [ErrDialOnly], and net.ErrClosed after the node's Close.
func (n *Node) Listen(service string) (*Listener, error) {
	if n.config.DialOnly {
		return nil, ErrDialOnly
	}
	if err := CheckService(service); err != nil {
		return nil, err
	}
	l := &Listener{service: service, node: n, streams: make(chan *Conn, backlog), done: make(chan struct{})}
	n.services.mu.Lock()
	defer n.services.mu.Unlock()
	if n.services.closed {
		return nil, n.Err()
	}
	if n.services.listeners[service] != nil {
		return nil, ErrServiceTaken
	}
	if n.services.listeners == nil {
		n.services.listeners = map[string]*Listener{}
	}
	n.services.listeners[service] = l
	return l, nil
}

// deliver gives a stream to the listener of its service, or refuses it.
func (t *services) deliver(l *link, stream *session.Stream) {
	if refusal := t.offer(&Conn{stream: stream, link: l}); refusal != nil {
		stream.Refuse(refusal, "") // fails only with the session
	}
}

// offer hands conn to the listener of its service. It returns why there is none to take it.
func (t *services) offer(conn *Conn) (refusal error) {
	t.mu.Lock()
	defer t.mu.Unlock() // held over the send, so that no stream comes after Close has emptied the channel
	listener := t.listeners[conn.Service()]
	if listener == nil {
		return session.ErrNoService
	}
	select {
	case listener.streams <- conn:
		return nil
	default:
		return session.ErrBusy
	}
}

func (t *services) close() {
	t.mu.Lock()
	t.closed = true
	var open []*Listener
	for _, l := range t.listeners {
		open = append(open, l)
	}
	t.mu.Unlock()
	for _, l := range open {
		l.Close()
	}
}

// Accept waits for the next stream. After Close it returns net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// AcceptConn is Accept with the stream's own type.
func (l *Listener) AcceptConn() (*Conn, error) {
	select {
	case conn := <-l.streams:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close stops listening, refuses the streams that wait, and leaves the accepted ones alone. It may be called twice.
func (l *Listener) Close() error {
	l.once.Do(func() {
		t := &l.node.services
		t.mu.Lock()
		delete(t.listeners, l.service)
		t.mu.Unlock()
		close(l.done)
		for {
			select {
			case conn := <-l.streams:
				conn.stream.Refuse(session.ErrNoService, "")
			default:
				return
			}
		}
	})
	return nil
}

// Addr names the node and the service.
func (l *Listener) Addr() net.Addr {
	return Addr{Node: l.node.id, Name: l.node.config.Name, Service: l.service}
}

// serve gives a link's streams to the node's services, until the link ends.
func (n *Node) serve(ctx context.Context, l *link) {
	for {
		stream, err := l.session.Accept(ctx)
		if err != nil {
			break
		}
		if stream.Service() == wire.ControlService {
			n.asked(l, stream)
			continue
		}
		n.services.deliver(l, stream)
	}
	l.session.Close()
	n.log.Info("link ended", "peer", l.name, "err", l.session.Err())
	n.roster.unlinked(l, n.links.remove(l))
}
