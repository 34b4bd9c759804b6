package server

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous/poll"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// heldPerConn is how many connections a node may have held: one that keeps a mapping, one that measures how long an idle connection
	// lives, and one that takes over.
	heldPerConn = 3
	// heldFarewell is how long a node has to take what it was told at the end.
	heldFarewell = 10 * time.Second
)

// holds is the hole connections that nodes want held open, without a goroutine each. They end with their main connection.
type holds struct {
	server    *Server
	admission *admission

	mu     sync.Mutex
	byConn map[*conn][]*held
	closed bool
}

// A held is one of them. Nothing is sent on it for a time, no keepalive either, and then the answer again.
type held struct {
	owner  *conn
	remote netip.Addr
	again  *wire.Observed
	silent time.Duration

	all    *holds
	socket poll.Socket
	timer  *time.Timer
	ending sync.Once
}

func newHolds(s *Server) *holds {
	return &holds{server: s, byConn: map[*conn][]*held{},
		admission: newAdmission(s.limits.HeldConnections, s.limits.HeldConnectionsPerAddress)}
}

// take takes nc over, or tells that there is no room for it.
func (a *holds) take(h *held, nc net.Conn) bool {
	if !a.admission.enter(h.remote) {
		return false
	}
	nc.SetDeadline(time.Time{})
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetKeepAlive(false)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.closed || h.owner.dropped.Load() || len(a.byConn[h.owner]) >= heldPerConn {
		err = net.ErrClosed
	} else {
		h.all = a
		h.socket, err = a.server.loop.Add(nc, h)
	}
	if err != nil {
		a.admission.leave(h.remote)
		return false
	}
	a.byConn[h.owner] = append(a.byConn[h.owner], h)
	h.timer = time.AfterFunc(h.silent, h.speak)
	h.socket.Start()
	return true
}

// leave ends those of a connection that is no more.
func (a *holds) leave(c *conn) {
	a.mu.Lock()
	ended := slices.Clone(a.byConn[c])
	a.mu.Unlock()
	for _, h := range ended {
		h.end()
	}
}

// close ends all, and lets none begin.
func (a *holds) close() {
	a.mu.Lock()
	a.closed = true
	var all []*held
	for _, list := range a.byConn {
		all = append(all, list...)
	}
	a.mu.Unlock()
	for _, h := range all {
		h.end()
	}
}

// speak breaks the silence.
func (h *held) speak() {
	if h.socket.Send(h.all.server.frameOf(h.again)) != nil {
		h.end()
		return
	}
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	h.timer = time.AfterFunc(heldFarewell, h.end)
}

// Receive ends it: a node has nothing to say.
func (h *held) Receive([]byte) { h.end() }

// Drained is of no interest.
func (h *held) Drained() {}

// Gone is called when the node has closed it, or the network broke it.
func (h *held) Gone(error) { h.end() }

func (h *held) end() {
	h.ending.Do(func() {
		a := h.all
		a.mu.Lock()
		h.timer.Stop()
		a.byConn[h.owner] = slices.DeleteFunc(a.byConn[h.owner], func(other *held) bool { return other == h })
		if len(a.byConn[h.owner]) == 0 {
			delete(a.byConn, h.owner)
		}
		a.mu.Unlock()
		h.socket.Close()
		a.admission.leave(h.remote)
	})
}
