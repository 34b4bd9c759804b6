package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// dialBackPatience is how long a SYN to a node has for an answer, besides the round trip: it is sent a second time after 1 s. A NAT that
// holds a SYN for 6 s, as RFC 5382 has it, has then dropped it for us.
const dialBackPatience = 1300 * time.Millisecond

// A dialBack is one connection that is to be tried.
type dialBack struct {
	from           netip.Addr
	to             netip.AddrPort
	isOtherAddress bool
}

// A sighting is where a connection of the node in the other address family came from, and to which address of ours.
type sighting struct {
	from  netip.AddrPort
	local netip.Addr
}

// dialBack connects to where c is seen, of each address family, from the address at which it is seen there and from another. It answers
// when all have an answer. What it tells is the fate of SYNs to the node's own mapping, nothing of whoever else has its address.
func (s *Server) dialBack(c *conn, m *wire.DialBack) {
	tries := s.dialBacks(c)
	var wait time.Duration
	begun := false
	if len(tries) > 0 {
		wait, begun = s.prover.dialBack(c, m, tries)
	}
	if !begun {
		count(s.metrics.proofs, "limited")
		c.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_DialledBack{DialledBack: &wire.DialledBack{
			Number: m.Number, RetryAfterMs: milliseconds(wait)}}})
	}
}

// dialBacks is what is to be tried for c.
func (s *Server) dialBacks(c *conn) []dialBack {
	var tries []dialBack
	for _, seen := range c.room.sightings(c) {
		if seen.from.Port() < mappedPortMin || !seen.from.IsValid() {
			continue
		}
		tries = append(tries, dialBack{from: seen.local, to: seen.from})
		for _, hole := range slices.Backward(s.holeAddrs) { // the node is least likely to have been at the last
			if hole.Addr() != seen.local && hole.Addr().Is4() == seen.from.Addr().Is4() {
				tries = append(tries, dialBack{from: hole.Addr(), to: seen.from, isOtherAddress: true})
				break
			}
		}
	}
	return tries
}

// sightings is where c is seen: by the main connection, and in the other address family.
func (r *room) sightings(c *conn) []sighting {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []sighting
	if !c.proxied {
		all = append(all, sighting{c.remote, c.local})
	}
	if c.other != nil {
		all = append(all, *c.other)
	}
	return all
}

// dialBack begins to try, or tells when there is room for it. Each node has one question under way, and all of an address share
// a budget.
func (p *prover) dialBack(c *conn, m *wire.DialBack, tries []dialBack) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || c.dropped.Load() || p.asking[c] {
		return time.Second, false
	}
	for _, try := range tries {
		if wait, ok := p.spendLocked(p.backByAddress, try.to.Addr(), p.server.limits.DialBacksPerMinute); !ok {
			return wait, false
		}
	}
	select {
	case p.backSlots <- struct{}{}:
	default:
		return p.server.limits.ProofTimeout, false
	}
	p.asking[c] = true
	patience := dialBackPatience + time.Duration(c.rtt.Load())*time.Microsecond
	ctx, cancel := context.WithTimeout(p.ctx, min(patience, p.server.limits.ProofTimeout))
	p.running.Go(func() {
		defer func() { <-p.backSlots }()
		defer cancel()
		answer := &wire.DialledBack{Number: m.Number, Tries: make([]*wire.DialBackTry, len(tries))}
		var trying sync.WaitGroup
		for i, try := range tries {
			trying.Go(func() { answer.Tries[i] = p.try(ctx, try, m.Key) })
		}
		trying.Wait()
		p.mu.Lock()
		delete(p.asking, c)
		p.mu.Unlock()
		answer.Tries = slices.DeleteFunc(answer.Tries, func(t *wire.DialBackTry) bool { return t == nil })
		count(p.server.metrics.proofs, "dialled_back")
		c.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_DialledBack{DialledBack: answer}})
	})
	return 0, true
}

// try makes one connection and tells what came back; nil if it could not be tried.
func (p *prover) try(ctx context.Context, t dialBack, key []byte) *wire.DialBackTry {
	nc, err := p.dialFrom(ctx, t.from, t.to)
	told := &wire.DialBackTry{To: wire.NewEndpoint(t.to), From: t.from.AsSlice(), OtherAddress: t.isOtherAddress}
	if err == nil {
		defer turnAway(nc)
		if !isNode(ctx, nc, key) {
			return told // somebody else is there, and says nothing of the node's NAT
		}
		told.Answer = wire.UnsolicitedAnswer_UNSOLICITED_ANSWER_ACCEPTED
		return told
	}
	switch kind := reuseport.Classify(err); {
	case reuseport.ByICMP(err):
		told.Answer = wire.UnsolicitedAnswer_UNSOLICITED_ANSWER_ICMP
	case kind == reuseport.Refused:
		told.Answer = wire.UnsolicitedAnswer_UNSOLICITED_ANSWER_RESET
	case kind == reuseport.TimedOut && p.isServing():
		told.Answer = wire.UnsolicitedAnswer_UNSOLICITED_ANSWER_DROPPED
	default:
		return nil
	}
	return told
}

// isNode reports whether the node is at the other end: it is who can answer a challenge with the key that it gave.
func isNode(ctx context.Context, nc net.Conn, key []byte) bool {
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })()
	challenge := wire.Preface{Kind: wire.Proof}
	rand.Read(challenge.Challenge[:]) // never fails
	if _, err := nc.Write(challenge.Append(nil)); err != nil {
		return false
	}
	var answer [wire.ProofLen]byte
	if _, err := io.ReadFull(nc, answer[:]); err != nil {
		return false
	}
	return hmac.Equal(answer[:], wire.Answer(key, challenge.Challenge[:]))
}
