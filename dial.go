package bodkin

import (
	"context"
	"sync"
	"time"
)

// dialTimeout bounds the work for one dial: the server's answer and a whole attempt (10 s at most, docs/protocol.md).
const dialTimeout = 15 * time.Second

// Dial opens a stream to a service of a peer, given by its name in the room or its id. If there is no session with the
// peer yet, it makes one: the server introduces the two, and both connect. Dial returns as soon as bytes can be sent,
// without waiting to hear whether the peer has such a service; see [ErrServiceUnknown].
//
// Errors: [ErrPeerUnavailable], [ErrNoDirectPath] (a [*PathError]), [ErrServerUnreachable], [ErrRefused] when the server
// wants fewer dials, and ctx's own. A session goes on being made when ctx ends, for the next caller.
func (n *Node) Dial(ctx context.Context, peer, service string) (*Conn, error) {
	who, err := parseTarget(peer)
	if err == nil {
		err = CheckService(service)
	}
	if err != nil {
		return nil, err
	}
	for {
		l, _, err := n.link(ctx, who)
		if err != nil {
			return nil, err
		}
		stream, err := l.session.Open(ctx, service)
		if err == nil {
			return &Conn{stream: stream, link: l}, nil
		}
		if l.alive() { // the session is well, so the fault is in what was asked for
			return nil, err
		}
		// The session ended between being found and being used: look again, for another or a new one.
	}
}

// link returns a live session with a peer, and how long it took to make; a zero Timing if it was there.
func (n *Node) link(ctx context.Context, who target) (*link, Timing, error) {
	if err := n.Err(); err != nil {
		return nil, Timing{}, err
	}
	if l := n.links.to(who); l != nil {
		n.improve(l)
		return l, Timing{}, nil
	}
	d, mine := n.dials.join(who)
	if mine && !n.spawn(func() { n.dial(d) }) {
		n.dials.end(d, nil, n.Err())
	}
	select {
	case <-d.done:
		return d.link, d.timing, d.err
	case <-ctx.Done():
		return nil, Timing{}, context.Cause(ctx)
	}
}

func (n *Node) dial(d *dial) {
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		select {
		case <-d.done: // fulfilled: what goes on would make a second session
			cancel()
		case <-ctx.Done():
		}
	})
	l, err := n.introduce(ctx, d.who)
	if n.ctx.Err() != nil {
		err = n.Err() // the node was closed, which says more than a cancelled context
	}
	n.dials.end(d, l, err)
}
