package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// chunk is how many bytes go between two looks at the quotas. Over loopback 1 MiB is a tenth faster, but a slow node must be able
	// to take one within the StallTimeout: with this, at 2 KB/s.
	chunk = 256 << 10
	// look is how long a direction may be silent until it looks at the quotas and the clock all the same.
	look = 15 * time.Second
)

// A pair is two connections that are one.
type pair struct {
	server *Server
	sides  [2]*side
	began  time.Duration
	moved  atomic.Int64 // time.Duration since the server started: when bytes last did
	ended  chan struct{}
	once   sync.Once
	status wire.RelayStatus // why it ended; valid after ended
}

func newPair(s *Server, a, b *side) *pair {
	p := &pair{server: s, sides: [2]*side{a, b}, began: s.now(), ended: make(chan struct{})}
	p.moved.Store(int64(p.began))
	return p
}

// run tells both nodes and copies both ways until both are done or the pair is ended.
func (p *pair) run() {
	if p.greet() != nil {
		p.end(wire.RelayStatus_RELAY_STATUS_PEER_LOST)
	}
	lifetime := time.AfterFunc(p.server.limits.Lifetime, func() { p.end(wire.RelayStatus_RELAY_STATUS_TIME) })
	defer lifetime.Stop()
	var copying sync.WaitGroup
	for i, from := range p.sides {
		to := p.sides[1-i]
		copying.Go(func() { p.forward(from, to) })
	}
	copying.Wait()
	p.end(wire.RelayStatus_RELAY_STATUS_UNSPECIFIED)
	p.server.counts.ended[p.status].Add(1)
	p.server.log.Debug("relayed pair ended", "lasted", p.server.now()-p.began, "why", p.status)
}

// end ends the pair, for the first reason given. UNSPECIFIED is the orderly end.
func (p *pair) end(status wire.RelayStatus) {
	p.once.Do(func() {
		p.status = status
		close(p.ended)
		for _, c := range p.sides {
			if status == wire.RelayStatus_RELAY_STATUS_UNSPECIFIED {
				c.conn.Close()
				continue
			}
			p.server.over(c.Owner, c.Attempt, status) // before the connection's own end, so that it can be explained
			reset(c.conn)
		}
	})
}

// greet tells both nodes that the other is there.
func (p *pair) greet() error {
	for _, c := range p.sides {
		c.conn.SetWriteDeadline(time.Now().Add(farewellTimeout))
		if _, err := c.conn.Write([]byte{byte(ready)}); err != nil {
			return err
		}
	}
	return nil
}

// forward copies what comes from one node to the other, until it ends; that ends the other's bytes and nothing else.
//
// Between two TCP sockets io.Copy splices on Linux: the bytes stay in the kernel. It does so for a LimitedReader too, so the
// quotas are looked at between chunks without giving that up.
func (p *pair) forward(from, to *side) {
	source := io.LimitedReader{R: from.conn}
	for {
		now := time.Now()
		stalled := now.Add(look + p.server.limits.StallTimeout)
		from.conn.SetReadDeadline(now.Add(look))
		to.conn.SetWriteDeadline(stalled)
		source.N = chunk
		n, err := io.Copy(to.conn, &source)
		p.count(n)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(stalled):
			p.end(wire.RelayStatus_RELAY_STATUS_STALLED)
			return
		case errors.Is(err, os.ErrDeadlineExceeded): // nothing came for a while; what came before has gone on
			if p.isIdle() {
				p.end(wire.RelayStatus_RELAY_STATUS_IDLE)
				return
			}
		case err != nil:
			p.end(wire.RelayStatus_RELAY_STATUS_PEER_LOST)
			return
		case source.N > 0: // the end
			closeWrite(to.conn)
			return
		}
		if !p.pay(from, to, n) {
			return
		}
	}
}

func (p *pair) count(n int64) {
	if n > 0 {
		p.server.counts.bytes.Add(n)
		p.moved.Store(int64(p.server.now()))
	}
}

func (p *pair) isIdle() bool {
	return p.server.now()-time.Duration(p.moved.Load()) >= p.server.limits.IdleTimeout
}

// pay books n bytes, ends the pair if a quota is used up, and rests as long as the rates ask for. It tells whether the pair goes on.
func (p *pair) pay(from, to *side, n int64) bool {
	s, now := p.server, p.server.now()
	rest := max(s.nodes.charge(from.node, n, now), s.nodes.charge(to.node, n, now), s.rooms.charge(from.room, n, now))
	if s.nodes.spent(from.node) || s.nodes.spent(to.node) || s.rooms.spent(from.room) {
		p.end(wire.RelayStatus_RELAY_STATUS_BYTES)
		return false
	}
	if rest <= 0 {
		return true
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ended:
		return false
	}
}

// reset closes c so that nothing of it stays, here or at the other end.
func reset(c net.Conn) {
	if tcp, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// closeWrite ends what is sent on c; all of it, if c has no half of its own.
func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}
