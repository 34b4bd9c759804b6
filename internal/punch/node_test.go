package punch

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// node is a real port with its acceptor and a key, as the root puts them together.
type node struct {
	port     *reuseport.Port
	acceptor Acceptor
	key      identity.Key
	room     identity.Room
}

func newNode(t *testing.T, room identity.Room, c reuseport.Config) *node {
	t.Helper()
	port, err := reuseport.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{port: port, room: room}
	if n.key, err = identity.NewKey(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- n.acceptor.Serve(t.Context(), port) }()
	t.Cleanup(func() {
		port.Close()
		if err := <-served; err != nil && t.Context().Err() == nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return n
}

func newRoom(t *testing.T) identity.Room {
	t.Helper()
	room, err := identity.NewRoom()
	if err != nil {
		t.Fatal(err)
	}
	return room
}

// loopback is where n is reached on this machine.
func (n *node) loopback() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), n.port.Number())
}

// plan is n's side of an attempt to reach peer, without the fields that a server stands behind.
func (n *node) plan(role Role, peer *node, attempt wire.AttemptID) Plan {
	return Plan{Attempt: attempt, Role: role, Dial: n.port.Dial, Verify: n.verify(role, peer.key.NodeID())}
}

// verify is mutual TLS in the role.
func (n *node) verify(role Role, peer identity.NodeID) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		config, err := identity.PeerConfig(n.key, n.room, peer)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(c, config)
		if role == Callee {
			conn = tls.Server(c, config)
		}
		return conn, conn.HandshakeContext(ctx)
	}
}

// run makes n's side of an attempt, with the acceptor delivering to it.
func (n *node) run(ctx context.Context, first Round, p Plan) outcome {
	accepted, forget := n.acceptor.Expect(p.Attempt)
	defer forget()
	p.Accepted = accepted
	result, err := Run(ctx, first, p)
	return outcome{result, err}
}

// runBoth makes both sides of an attempt at once and returns when both are over.
func runBoth(ctx context.Context, a, b *node, firstA, firstB Round, planA, planB Plan) (atA, atB outcome) {
	var both sync.WaitGroup
	both.Go(func() { atA = a.run(ctx, firstA, planA) })
	both.Go(func() { atB = b.run(ctx, firstB, planB) })
	both.Wait()
	return atA, atB
}

// hangUp ends what an attempt gave, so that the same ports can meet again.
func hangUp(atA, atB outcome) {
	if atA.err == nil {
		reuseport.Abort(atA.result.Socket)
	}
	if atB.err == nil {
		atB.result.Socket.Close() // were it reset, too, the resets would cross
	}
}

// at is a round with these remotes.
func at(number int, remotes ...netip.AddrPort) Round {
	r := Round{Number: number}
	for _, remote := range remotes {
		r.Remotes = append(r.Remotes, candidate.Candidate{Type: candidate.ServerReflexive, Addr: remote})
	}
	return r
}
