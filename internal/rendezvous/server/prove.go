package server

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// mappedPortMin is the lowest port that is dialled back: below are services of gateways, which forward none of them to a node.
const mappedPortMin = 1024

// A prover dials endpoints at which nodes say that their gateways forward to them. It dials only addresses at which the server
// sees the node itself; behind such an address may be others, so that it dials rarely, and tells no more than whether the
// node answered.
type prover struct {
	server *Server
	dial   func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
	// dialFrom dials from one of the server's own addresses.
	dialFrom func(ctx context.Context, from netip.Addr, remote netip.AddrPort) (net.Conn, error)
	slots    chan struct{}

	mu        sync.Mutex
	ctx       context.Context // of Serve; nil: not serving
	running   sync.WaitGroup
	byConn    map[*conn]*proof
	byAddress map[network]*bucket

	backSlots     chan struct{}  // of dial-backs
	asking        map[*conn]bool // one is under way
	backByAddress map[network]*bucket
}

// A proof is one that is under way.
type proof struct {
	endpoint netip.AddrPort
	key      []byte
	cancel   context.CancelFunc
}

func newProver(s *Server, config Config) *prover {
	dial, dialFrom := config.Dial, config.DialFrom
	if dial == nil {
		dial = func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", remote.String())
		}
	}
	if dialFrom == nil {
		dialFrom = func(ctx context.Context, from netip.Addr, remote netip.AddrPort) (net.Conn, error) {
			return reuseport.Connect{Local: netip.AddrPortFrom(from, 0), Remote: remote}.Dial(ctx)
		}
	}
	return &prover{server: s, dial: dial, dialFrom: dialFrom, slots: make(chan struct{}, s.limits.Proofs),
		byConn: map[*conn]*proof{}, byAddress: map[network]*bucket{},
		backSlots: make(chan struct{}, s.limits.DialBacks), asking: map[*conn]bool{}, backByAddress: map[network]*bucket{}}
}

// open has the prover work until ctx ends; close waits for what it does then.
func (p *prover) open(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx = ctx
}

func (p *prover) close() {
	p.mu.Lock()
	p.ctx = nil
	p.mu.Unlock()
	p.running.Wait()
}

// mapped takes what a node says of its gateway: an endpoint to be proven in place of the one before, or that there is none.
func (s *Server) mapped(c *conn, m *wire.Mapped) {
	s.prover.leave(c)
	c.room.setMapped(c, nil)
	endpoint := m.GetEndpoint().AddrPort()
	if !endpoint.IsValid() {
		return
	}
	if endpoint.Port() < mappedPortMin || !c.room.sees(c, endpoint.Addr()) {
		count(s.metrics.proofs, "elsewhere")
		c.sendProof(endpoint, wire.MappedProof_CODE_ELSEWHERE, 0)
		return
	}
	if wait, ok := s.prover.begin(c, endpoint, m.Key); !ok {
		count(s.metrics.proofs, "limited")
		c.sendProof(endpoint, wire.MappedProof_CODE_LIMITED, wait)
	}
}

func (c *conn) sendProof(endpoint netip.AddrPort, code wire.MappedProof_Code, retryAfter time.Duration) {
	c.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_MappedProof{MappedProof: &wire.MappedProof{
		Endpoint: wire.NewEndpoint(endpoint), Code: code, RetryAfterMs: milliseconds(retryAfter)}}})
}

// begin starts a proof, or tells when there is room for it.
func (p *prover) begin(c *conn, endpoint netip.AddrPort, key []byte) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || c.dropped.Load() {
		return time.Second, false
	}
	if wait, ok := p.spendLocked(p.byAddress, endpoint.Addr(), p.server.limits.ProofsPerMinute); !ok {
		return wait, false
	}
	select {
	case p.slots <- struct{}{}:
	default:
		return p.server.limits.ProofTimeout, false
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.server.limits.ProofTimeout)
	work := &proof{endpoint, key, cancel}
	p.byConn[c] = work
	p.running.Go(func() {
		defer func() { <-p.slots }()
		defer cancel()
		p.finish(c, work, p.isThere(ctx, work))
	})
	return 0, true
}

// spendLocked takes one connection to addr from what all nodes there may have dialled in a minute, or tells when there is one again.
func (p *prover) spendLocked(budgets map[network]*bucket, addr netip.Addr, perMinute int) (wait time.Duration, ok bool) {
	n := networkOf(addr)
	budget := budgets[n]
	if budget == nil {
		budget = &bucket{}
		budgets[n] = budget
	}
	return budget.take(p.server.now(), float64(perMinute)/60, float64(perMinute))
}

func (p *prover) isServing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx != nil && p.ctx.Err() == nil
}

// leave ends the proof of a connection that has another one to be made, or is no more.
func (p *prover) leave(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if work := p.byConn[c]; work != nil {
		work.cancel()
		delete(p.byConn, c)
	}
}

// finish tells the node, and the attempts that it is in the middle of.
func (p *prover) finish(c *conn, work *proof, isThere bool) {
	p.mu.Lock()
	isCurrent := p.byConn[c] == work
	if isCurrent {
		delete(p.byConn, c)
	}
	p.mu.Unlock()
	if !isCurrent {
		return
	}
	if !isThere {
		count(p.server.metrics.proofs, "unproven")
		c.sendProof(work.endpoint, wire.MappedProof_CODE_UNPROVEN, 0)
		return
	}
	count(p.server.metrics.proofs, "proven")
	isNew := c.room.setMapped(c, &work.endpoint)
	c.sendProof(work.endpoint, wire.MappedProof_CODE_PROVEN, 0)
	if isNew {
		p.server.attempts.another(c)
	}
}

// isThere reports whether the node is at the endpoint: it is who can answer a challenge with the key that it gave. The
// connection is ended with a reset, which leaves nothing behind on either side.
func (p *prover) isThere(ctx context.Context, work *proof) bool {
	nc, err := p.dial(ctx, work.endpoint)
	if err != nil {
		return false
	}
	defer turnAway(nc)
	return isNode(ctx, nc, work.key)
}

// forget drops the budgets that are whole again.
func (p *prover) forget(now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, budget := range p.byAddress {
		if budget.full(now, float64(p.server.limits.ProofsPerMinute)/60) {
			delete(p.byAddress, n)
		}
	}
	for n, budget := range p.backByAddress {
		if budget.full(now, float64(p.server.limits.DialBacksPerMinute)/60) {
			delete(p.backByAddress, n)
		}
	}
}
