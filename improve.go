package bodkin

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

const (
	// A direct path to a peer with which there is only a relayed session is looked for again after improveFirst, and then after twice
	// as long each time: networks change, but seldom.
	improveFirst = 10 * time.Second
	improveLast  = 10 * time.Minute
)

// improve looks for a direct path in the background, if l is relayed and it is time to. The session moves to what it finds, streams
// and all.
func (n *Node) improve(l *link) {
	if l.path().Kind != Relayed || l.line.Chosen() || n.config.Relay != RelayAuto || !l.improved.due(l.opened, time.Now()) {
		return
	}
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
		defer cancel()
		_, err := n.introduceTo(ctx, target{id: l.peer}, rendezvous.ByNode(l.peer).DirectOnly())
		if errors.Is(err, ErrServerUnreachable) || errors.Is(err, ErrRefused) { // the session is a way to the peer, too
			err = n.another(ctx, l, false)
		}
		n.log.Debug("looked for a direct path again", "peer", l.name, "err", err)
	})
}

// A pace says when something may be tried again. The zero pace begins with improveFirst.
type pace struct {
	mu   sync.Mutex
	last time.Time
	wait time.Duration
}

// due tells whether it is time, now, and if so counts this as a try. The first wait is from began.
func (p *pace) due(began, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == 0 {
		p.last, p.wait = began, improveFirst
	}
	if now.Sub(p.last) < p.wait {
		return false
	}
	p.last, p.wait = now, min(2*p.wait, improveLast)
	return true
}

// succeed notes that what was tried has come about: it is soon tried again when it is needed again.
func (p *pace) succeed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = 0
}

// How long a node that is back from a late path waits for a peer that the server does not have at the moment: at first, doubling, and at most.
const (
	backFirst = 250 * time.Millisecond
	backLast  = 2 * time.Second
)

// backToDirect looks for a direct path for a link that has gone to the relay, as soon as both ends have a server to ask.
func (n *Node) backToDirect(l *link) {
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	for pause := backFirst; l.path().Kind == Relayed && pause <= backLast; {
		err := n.beside(ctx, l, rendezvous.ByNode(l.peer).DirectOnly())
		n.log.Debug("looked for a direct path from the kept relay", "peer", l.name, "err", err)
		switch {
		case errors.Is(err, rendezvous.ErrOffline): // on a connection that has just ended: the next is waited for
			continue
		case !errors.Is(err, ErrPeerUnavailable):
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		pause *= 2
	}
}
