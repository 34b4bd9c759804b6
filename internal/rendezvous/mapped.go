package rendezvous

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// proofRetry is how long after a proof that failed another is asked for.
	proofRetry = 5 * time.Minute
	// proofRetryMin keeps a server's retry_after from being none.
	proofRetryMin = time.Second
)

// Proof is what the server says of an endpoint at which a gateway forwards to the node.
type Proof uint8

// What is known of a mapped endpoint.
const (
	ProofNone      Proof = iota // the server was not asked, or has not answered yet
	Proven                      // the server reached the node there, and tells its peers
	ProofElsewhere              // the server sees the node at another address, and has not tried
	Unproven                    // the server did not reach the node there
)

// A mapped is the endpoint that is to be proven, and how that stands. It is part of the Client, guarded by its mu.
type mapped struct {
	endpoint netip.AddrPort // zero: none
	told     *mainConn      // who was told of it last
	retryAt  time.Time      // zero: the answer is awaited, or final
}

// SetMapped tells the server at which endpoint a gateway forwards to this node, now and after each registration; the zero
// AddrPort means none. What the server makes of it is in State. It does not block.
func (c *Client) SetMapped(endpoint netip.AddrPort) {
	c.mu.Lock()
	if c.mapped.endpoint == endpoint {
		c.mu.Unlock()
		return
	}
	c.mapped = mapped{endpoint: endpoint}
	c.state.Mapped, c.state.Proof = endpoint, ProofNone
	s := c.main
	c.mu.Unlock()
	if s != nil {
		s.sendMapped()
	}
}

// AnswerProof returns what the node is to answer on a connection that brought a challenge; nil if none is expected.
func (c *Client) AnswerProof(challenge [wire.ProofLen]byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	isProving := c.mapped.endpoint.IsValid() && c.state.Proof != Proven
	if !isProving && c.expecting == 0 {
		return nil
	}
	return wire.Answer(c.proofKey[:], challenge[:])
}

// expectProofs has the node answer challenges until done is called.
func (c *Client) expectProofs() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expecting++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.expecting--
	}
}

// sendMapped tells the server of the endpoint, or that there is none.
func (s *mainConn) sendMapped() {
	c := s.client
	c.mu.Lock()
	c.mapped.told, c.mapped.retryAt = s, time.Time{}
	m := &wire.Mapped{}
	if c.mapped.endpoint.IsValid() {
		m.Endpoint, m.Key = wire.NewEndpoint(c.mapped.endpoint), append([]byte(nil), c.proofKey[:]...)
	}
	c.mu.Unlock()
	s.send(&wire.ClientMessage{Body: &wire.ClientMessage_Mapped{Mapped: m}})
}

// registeredMapped tells a server that does not know of the endpoint yet.
func (s *mainConn) registeredMapped() {
	c := s.client
	c.mu.Lock()
	isDue := c.mapped.endpoint.IsValid() && c.mapped.told != s
	c.mu.Unlock()
	if isDue {
		s.sendMapped()
	}
}

// retryMapped asks again when it is time. It is called with each ping.
func (s *mainConn) retryMapped(now time.Time) {
	c := s.client
	c.mu.Lock()
	isDue := !c.mapped.retryAt.IsZero() && !now.Before(c.mapped.retryAt)
	c.mu.Unlock()
	if isDue {
		s.sendMapped()
	}
}

// proved takes the server's answer.
func (s *mainConn) proved(m *wire.MappedProof) {
	c := s.client
	c.mu.Lock()
	if m.Endpoint.AddrPort() != c.mapped.endpoint {
		c.mu.Unlock()
		return // to what was asked before
	}
	switch m.Code {
	case wire.MappedProof_CODE_PROVEN:
		c.state.Proof = Proven
	case wire.MappedProof_CODE_ELSEWHERE:
		c.state.Proof = ProofElsewhere
	case wire.MappedProof_CODE_LIMITED:
		wait := min(time.Duration(m.RetryAfterMs)*time.Millisecond, retryMax)
		c.mapped.retryAt = time.Now().Add(max(wait, proofRetryMin))
	default:
		c.state.Proof = Unproven
		c.mapped.retryAt = time.Now().Add(proofRetry)
	}
	c.mu.Unlock()
	c.tellState()
}
