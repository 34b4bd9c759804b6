package bodkin

import (
	"context"
	"errors"
	"fmt"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// introduce makes a link to a peer: on this node's own link if the peer was heard there, or else by the server's introduction. Who has lost
// the server can still be reached by a peer of both, if there was a session.
func (n *Node) introduce(ctx context.Context, who target) (*link, error) {
	n.client.Hurry()
	if !n.client.State().Connected {
		return n.introduceAnyWay(ctx, who)
	}
	if l, err := n.near(ctx, who); err == nil {
		return l, nil
	}
	l, err := n.introduceByServer(ctx, who)
	if errors.Is(err, ErrPeerUnavailable) && n.links.waiting(who) != nil {
		ctx, cancel := context.WithTimeout(ctx, knownTimeout) // the peer may be back at the server by then
		defer cancel()
		if l, err := n.withoutServer(ctx, who); err == nil {
			return l, nil
		}
	}
	return l, err
}

// introduceByServer asks the server for an introduction, once there is one, and waits for what the attempt makes of it.
func (n *Node) introduceByServer(ctx context.Context, who target) (*link, error) {
	if _, err := n.client.Registered(ctx); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: no answer in %v", ErrServerUnreachable, dialTimeout)
	} else if err != nil {
		return nil, publicError(err)
	}
	wanted := rendezvous.ByNode(who.id)
	if who.id.IsZero() {
		wanted = rendezvous.ByNameTag(n.config.Invite.Room.NameTag(who.name))
	}
	return n.introduceTo(ctx, who, wanted)
}

func (n *Node) introduceTo(ctx context.Context, who target, wanted rendezvous.Target) (*link, error) {
	if n.countsPorts() && !wanted.IsBeside() { // the server would ask for a sample: that saves the way there and back
		n.takeSample(func(ctx context.Context) { n.sample(ctx, wire.AttemptID{}) })
		wanted = wanted.Sampling()
	}
	intro, err := n.client.Introduce(ctx, wanted)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: no answer in %v", ErrServerUnreachable, dialTimeout)
	}
	if err != nil {
		return nil, publicError(err)
	}
	if err := n.expected(who, intro); err != nil {
		return nil, err
	}
	a := n.attempts.find(intro.Attempt) // the client has called introduced before it answered
	if a == nil {
		return nil, errTooManyAttempts
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return a.link, a.err
}

// expected holds the server to what was asked for: it must introduce the node, or a bearer of the name, that was meant.
func (n *Node) expected(who target, intro rendezvous.Introduction) error {
	peer, err := n.open(intro.Peer, intro.Sealed, intro.NameTag)
	if err != nil {
		return err
	}
	if !who.matches(intro.Peer, peer.name) {
		return errors.New("bodkin: the server introduced another node than the one asked for")
	}
	return n.mayBe(peer.name, intro.Peer)
}
