package bodkin

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// localProfileTimeout is how long after its nomination the dialer may take to say who it is.
	localProfileTimeout = 3 * time.Second
	// localCallsPerSecond and localCallsAtOnce bound the calls that this node takes from the link.
	localCallsPerSecond, localCallsAtOnce = 5, 20
)

// dialUnasked makes an attempt that nobody introduces. It goes on when ctx ends.
func (n *Node) dialUnasked(ctx context.Context, id NodeID, peer profile, remotes []candidate.Candidate, timeout time.Duration) (*link, error) {
	a, err := n.beginUnasked(n.ctx, id, peer, remotes, timeout)
	if err != nil {
		return nil, err
	}
	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// beginUnasked begins an attempt that nobody introduces, which ends with ctx.
func (n *Node) beginUnasked(ctx context.Context, id NodeID, peer profile, remotes []candidate.Candidate, timeout time.Duration) (*attempt, error) {
	a, isNew := n.attempts.begin(rendezvous.Introduction{
		Attempt: n.config.Invite.Room.LocalAttempt(id), Peer: id, Role: rendezvous.Dialer, Round: 1, Received: time.Now(),
	})
	if !isNew {
		return nil, errTooManyAttempts
	}
	n.attempts.noMore(a.id, 0)
	if !n.spawn(func() { n.attemptUnasked(ctx, a, peer, remotes, timeout) }) {
		n.attempts.end(a, nil, n.Err())
	}
	return a, nil
}

// attemptUnasked runs an attempt of the dialer, and says who it is on the connection that it gave.
func (n *Node) attemptUnasked(ctx context.Context, a *attempt, peer profile, remotes []candidate.Candidate, timeout time.Duration) {
	for _, l := range n.links.with(a.peer) {
		l.back.cancel()
	}
	ctx, cancel := n.attempts.run(ctx, a)
	defer cancel()
	result, err := punch.Run(ctx, punch.Round{Number: 1, Remotes: remotes}, punch.Plan{
		Attempt:    a.id,
		Role:       punch.Dialer,
		Dial:       n.port.Dial,
		Verify:     n.verify(a),
		Rounds:     a.rounds,
		Background: n.tasks.Go,
		Timeout:    timeout,
	})
	if err != nil {
		n.log.Debug("not reached without an introduction", "peer", peer.name, "err", err)
		n.attempts.end(a, nil, pathError(a.peer, err))
		return
	}
	if err := wire.Write(result.Conn, n.profile().message()); err != nil { // which does not wait: the few bytes fit the send buffer
		result.Conn.Close()
		n.attempts.end(a, nil, err)
		return
	}
	l, err := n.establish(a, peer, result)
	n.attempts.end(a, l, err)
}

// calledUnasked is asked about inbound connections of attempts that nobody introduced. It begins the attempt, as the callee, if a
// member of the room wants this node that is on the same link, or comes from the internet: that one must have a session already.
func (n *Node) calledUnasked(attempt wire.AttemptID, from netip.AddrPort) bool {
	if n.config.Relay == RelayAlways || n.config.DialOnly || !n.config.Invite.Room.IsLocalAttempt(attempt, n.id) {
		return false
	}
	onLink := slices.ContainsFunc(gather.Links(n.interfaces()), func(l netip.Prefix) bool { return l.Contains(from.Addr()) })
	near := onLink && candidate.Private(from.Addr()) && n.listensLocally()
	if !near && candidate.Private(from.Addr()) || !n.localCalls.Allow() {
		n.log.Debug("call not taken that nobody introduced", "from", from)
		return false
	}
	a, isNew := n.attempts.begin(rendezvous.Introduction{Attempt: attempt, Role: rendezvous.Callee, Round: 1, Received: time.Now()})
	if !isNew {
		return false
	}
	accepted, forget := n.acceptor.Expect(attempt)
	if !n.spawn(func() { n.answerUnasked(a, accepted, forget, near) }) {
		forget()
		n.attempts.end(a, nil, n.Err())
		return false
	}
	return true
}

// answerUnasked runs one of the callee, and hears there who it is.
func (n *Node) answerUnasked(a *attempt, accepted <-chan net.Conn, forget func(), near bool) {
	defer forget()
	var who caller
	result, err := punch.Run(n.ctx, punch.Round{Number: 1}, punch.Plan{
		Attempt:    a.id,
		Role:       punch.Callee,
		Dial:       n.port.Dial,
		Verify:     n.verifyMember(&who),
		Accepted:   accepted,
		Background: n.tasks.Go,
		Timeout:    localTimeout,
	})
	if err != nil {
		n.attempts.end(a, nil, err)
		return
	}
	n.attempts.isWith(a, who.id)
	peer, err := readProfile(result.Conn)
	if err == nil && !near && n.links.alive(a.peer) == nil {
		err = errNotLinked
	}
	if err != nil {
		result.Conn.Close()
		n.log.Debug("call failed that nobody introduced", "peer", a.peer.Short(), "err", err)
		n.attempts.end(a, nil, err)
		return
	}
	l, err := n.establish(a, peer, result)
	n.attempts.end(a, l, err)
}

// A caller is who has proven itself in an attempt that nobody introduced: the first who does.
type caller struct {
	mu sync.Mutex
	id NodeID // zero: nobody yet
}

// verifyMember proves that a connection ends at a member of the room, the same on all connections of an attempt.
func (n *Node) verifyMember(who *caller) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		config, err := identity.MemberConfig(n.config.Key, n.config.Invite.Room)
		if err != nil {
			return nil, err
		}
		secured := tls.Server(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		id, _, err := identity.Authenticated(secured.ConnectionState())
		if err != nil {
			return nil, err
		}
		who.mu.Lock()
		defer who.mu.Unlock()
		if !who.id.IsZero() && who.id != id {
			return nil, identity.ErrWrongPeer
		}
		who.id = id
		return secured, nil
	}
}

// readProfile reads what the caller says of itself, since nobody has introduced it, and no byte more.
func readProfile(conn net.Conn) (profile, error) {
	conn.SetReadDeadline(time.Now().Add(localProfileTimeout))
	defer conn.SetReadDeadline(time.Time{})
	var m wire.Profile
	if err := wire.Read(wire.Exactly(conn), &m); err != nil {
		return profile{}, err
	}
	return profileOf(&m)
}
