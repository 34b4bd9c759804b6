package bodkin

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A spare is a second port of an attempt, with the hole connection that shows its mapping and keeps it.
type spare struct {
	port localPort
	made time.Time

	mu     sync.Mutex
	hole   net.Conn // nil: nobody was shown
	closed bool
}

// hold has the spare keep a hole connection from its port.
func (s *spare) hold(hole net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		reuseport.Abort(hole)
		return
	}
	s.hole = hole
}

// close gives the port back.
func (s *spare) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.hole != nil {
		reuseport.Abort(s.hole)
	}
	s.port.Close()
}

// keep gives an attempt a second port for its next round. One that is still to be introduced finds it when it begins; if it does not
// begin, the port is closed.
func (t *attempts) keep(id wire.AttemptID, s *spare) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.byID[id]; a != nil {
		a.keep(s)
		return
	}
	if t.early == nil {
		t.early = map[wire.AttemptID]*spare{}
	}
	if _, ok := t.early[id]; ok || t.closed || len(t.early) >= samplesAtOnce {
		s.close()
		return
	}
	t.early[id] = s
	time.AfterFunc(sampleTimeout, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.early[id] == s {
			delete(t.early, id)
			s.close()
		}
	})
}

// close closes the ports of attempts that have not begun, and takes no more.
func (t *attempts) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for id, s := range t.early {
		delete(t.early, id)
		s.close()
	}
}

// newSpare takes a second port, from which connections may come and go.
func (n *Node) newSpare(ctx context.Context) (*spare, error) {
	port, err := n.config.system.Open(ctx, 0)
	if err != nil {
		return nil, err
	}
	s := &spare{port: port, made: time.Now()}
	if !n.spawn(func() { n.acceptor.Serve(n.ctx, port) }) {
		s.close()
		return nil, n.Err()
	}
	return s, nil
}

// sampleSpare takes a second port for an attempt and shows the server how that is mapped. The attempt has the port before the server has
// seen it: the introduction that follows may be here first.
func (n *Node) sampleSpare(ctx context.Context, attempt wire.AttemptID) error {
	s, err := n.newSpare(ctx)
	if err != nil {
		return err
	}
	n.attempts.keep(attempt, s)
	hole, err := n.client.Sample(ctx, attempt, s.port.Dial)
	if err == nil {
		s.hold(hole)
	}
	return err
}

// keep takes a second port for the next round, and closes it at the end of the attempt. There is no round for more than a few, whatever the
// server asks for.
func (a *attempt) keep(s *spare) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.done:
		s.close()
		return
	default:
	}
	if len(a.spares) == wire.MaxRounds {
		s.close()
		return
	}
	a.spares = append(a.spares, s)
	a.spare = s
}

// take is the second port for the round that begins, nil if there is none, or the round is from the usual one.
func (a *attempt) take(fresh bool) *spare {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !fresh {
		return nil
	}
	s := a.spare
	a.spare = nil
	return s
}

// closeSpares closes all second ports.
func (a *attempt) closeSpares() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.spares {
		s.close()
	}
}
