package bodkin

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

// A made is what a way to a peer has led to.
type made struct {
	link *link
	err  error
}

// introduceAnyWay is for when the server is away: the peer may be reached without, and the server may come back. Once it is back the other
// ways give up, so that two attempts do not dial the same ports.
func (n *Node) introduceAnyWay(ctx context.Context, who target) (*link, error) {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unaided, serverIsBack := context.WithCancel(ctx)
	defer serverIsBack()
	without, server := make(chan made, 1), make(chan made, 1)
	all.Go(func() {
		l, err := n.withoutServer(unaided, who)
		without <- made{l, err}
	})
	all.Go(func() {
		if n.serverAgain(ctx, who) == nil {
			serverIsBack()
		}
		l, err := n.introduceByServer(ctx, who)
		server <- made{l, err}
	})
	select {
	case m := <-without:
		if m.err == nil {
			return m.link, nil
		}
		m = <-server
		return m.link, m.err
	case m := <-server:
		if m.err == nil {
			return m.link, nil
		}
		if other := <-without; other.err == nil {
			return other.link, nil
		}
		return nil, m.err // the server's answer says more
	}
}

// serverAgain waits for the server. For a session that waits for a path it goes on after a failure, as long as the other ways are tried, and
// has the client hurry all the time.
func (n *Node) serverAgain(ctx context.Context, who target) error {
	if n.links.waiting(who) == nil {
		_, err := n.client.Registered(ctx)
		return err
	}
	for {
		n.client.Hurry()
		soon, cancel := context.WithTimeout(ctx, againLast)
		_, err := n.client.Registered(soon)
		over := soon.Err() != nil && ctx.Err() == nil
		cancel()
		if !over && !errors.Is(err, rendezvous.ErrUnreachable) {
			return err
		}
	}
}

// withoutServer tries all ways to a peer that need no server at once. It returns the first link, or an error when all have failed.
func (n *Node) withoutServer(ctx context.Context, who target) (*link, error) {
	ways := []func(context.Context, target) (*link, error){n.near, n.again}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan made, len(ways))
	for _, way := range ways {
		all.Go(func() {
			l, err := way(ctx, who)
			results <- made{l, err}
		})
	}
	var err error
	for range ways {
		m := <-results
		if m.err == nil {
			return m.link, nil
		}
		err = m.err
	}
	return nil, err
}

// How long a node waits until it tries again to reach a peer without the server.
const (
	againFirst = 100 * time.Millisecond
	againLast  = time.Second
)

// unknownTurns is in how many turns one dials a peer where it was of whose network it is not known what that lets in. In the others the ports are left
// to the two ends of the lost connection, which meet if nothing has changed but that a link was cut; see comeLater.
const unknownTurns = 64

// asksAnybody tells whether a peer of whose network nothing is known is dialled where it was in some turn, counted from one, given that the two ports
// are being dialled to come back or not.
func asksAnybody(turn uint32, dialsLater bool) bool { return !dialsLater || turn%unknownTurns == 1 }

// again gets a session that has lost its path a new connection without the server: where the peer is known to be, if its network lets
// everybody in, or by a peer of both. It goes on trying until ctx ends. A session that was made before the peer had measured its network
// does not know what that lets in: then where it was is dialled last.
func (n *Node) again(ctx context.Context, who target) (*link, error) {
	for pause := againFirst; ; pause = min(2*pause, againLast) {
		l := n.links.waiting(who)
		if l == nil || n.config.Relay == RelayAlways {
			return nil, errNotLinked
		}
		other := n.links.anyBack()
		if l.line.Settle(ctx); l.path().Kind != 0 { // what has to show that it works holds the ports that would be dialled
			return l, nil
		}
		ways := []func(context.Context, *link) error{n.whereKnown, n.byCommonPeer}
		if _, filters := n.knownHome(l); filters == natbehavior.Unknown {
			ways = []func(context.Context, *link) error{n.byCommonPeer}
			if asksAnybody(l.turns.Add(1), n.dialsLater(l)) {
				ways = append(ways, n.whereKnown)
			}
		}
		for _, way := range ways {
			if err := way(ctx, l); err == nil {
				return l, nil
			} else if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
		select {
		case <-other: // a peer of both may be, too
		case <-time.After(pause/2 + rand.N(pause)): // two that dial each other at once miss each other
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
