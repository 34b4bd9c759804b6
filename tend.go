package bodkin

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Waits of a link that has lost its path. The side that began the session dials at once, the other after redialSecond: if both know, one
// attempt is enough, which the other joins if it is still under way. Then each backs off, without the server no further than its next
// answer is worth: once that is there the link dials at once.
const (
	redialSecond  = 250 * time.Millisecond
	redialFirst   = 500 * time.Millisecond
	redialLast    = 10 * time.Second
	redialOffline = 2 * time.Second
)

// tend keeps a link on a path until it ends: it dials when the last carrier is lost, and looks for a direct path while it is relayed.
func (n *Node) tend(l *link, now origin) {
	defer func() { n.relays.forget(now.attempt) }()
	needless := 0 // times in a row that it was, when looked at
	look := time.NewTimer(improveFirst)
	defer look.Stop()
	gauge := time.NewTimer(compareBusy)
	defer gauge.Stop()
	defer func() { n.forgetTallies(&l.compares) }()
	var renewed time.Time // when a successor was last looked for
	renewal := time.NewTimer(time.Hour)
	defer renewal.Stop()
	for {
		if at := n.renewAt(l, now); at.IsZero() {
			renewal.Stop()
		} else {
			renewal.Reset(max(time.Until(at), time.Until(renewed.Add(n.renewPause()))))
		}
		select {
		case <-l.line.Changed():
		case <-look.C:
			needless = n.lookAfter(l, needless)
			look.Reset(improveFirst)
		case <-gauge.C:
			gauge.Reset(n.compare(l))
		case <-renewal.C:
			renewed = time.Now()
			n.renew(l)
		case <-l.line.Done():
			return
		case <-n.ctx.Done():
			return
		}
		if l.line.Late() {
			n.ahead(l)
		}
		next := l.origin()
		if next == now {
			continue
		}
		was := now
		now = next
		if !n.goOn(l, was, now) {
			return
		}
	}
}

// lookAfter looks for a direct path if a link is relayed, and ends a link that was needless when it was looked after last, and still is. It returns
// how often in a row that was so.
func (n *Node) lookAfter(l *link, needless int) int {
	if l.dialer && !l.dialOnly {
		n.improve(l)
	}
	l.forgetHome()
	if !n.isDouble(l) {
		return 0
	}
	if needless > 0 {
		n.log.Info("idle session ends, there is another", "peer", l.name)
		l.leave()
	}
	return needless + 1
}

// goOn does what there is to do when a link goes another way, or has none any more. It tells whether the link is to live on.
func (n *Node) goOn(l *link, was, now origin) bool {
	if now.path.Kind == 0 {
		n.log.Info("session waits for a path", "peer", l.name, "err", l.line.Lost())
	}
	n.relays.forget(was.attempt)
	if now.path.Kind == Direct {
		l.improved.succeed()
	}
	l.forgetHome()
	n.roster.moved(l)
	if now.path.Kind != 0 || l.line.Err() != nil {
		return true
	}
	if err := final(l.line.Lost()); err != nil {
		l.line.Fail(err)
		return false
	}
	if isServerGone(l.line.Lost()) {
		l.improved.succeed() // it goes to the relay again without a look for a direct path
	}
	n.redial(l, was)
	return true
}

// final is an error of a carrier after which looking for another is in vain: the server has said that it relays no more.
func final(lost error) error {
	var ended *relay.StatusError
	if errors.As(lost, &ended) && ended.Status == wire.RelayStatus_RELAY_STATUS_BYTES {
		return lost
	}
	return nil
}

// redial gets a link a new carrier in the place of the one that it had, unless the peer is faster, or the link ends.
func (n *Node) redial(l *link, was origin) {
	err := n.comeBack(l, was)
	n.log.Debug("came back by itself", "peer", l.name, "err", err)
	if err == nil || l.path().Kind != 0 {
		l.line.Poke()
		return
	}
	if l.dialOnly { // the peer must come
		return
	}
	l.turns.Store(0)
	defer n.comeLater(l, was)()
	wait := time.Duration(0)
	if !l.dialer {
		wait = redialSecond
	}
	for next := redialFirst; ; next = min(2*next, redialLast) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.line.Changed():
		case <-l.line.Done():
		case <-n.ctx.Done():
		}
		timer.Stop()
		if l.path().Kind != 0 || l.line.Err() != nil || n.ctx.Err() != nil {
			if l.path().Kind != 0 {
				n.dials.fulfil(l) // or the next to dial would join one that has nothing left to do
			}
			l.line.Poke()
			return
		}
		ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
		err := n.redialOnce(ctx, l)
		cancel()
		n.log.Debug("dialled for a session without a path", "peer", l.name, "err", err)
		wait = next/2 + rand.N(next)
		switch {
		case errors.Is(err, rendezvous.ErrOffline): // the connection to the server has just ended, too: what comes next waits for another
			wait, next = redialFirst/25, redialFirst/2
		case !n.client.State().Connected:
			wait = min(wait, redialOffline)
		}
	}
}

// serverIsBack has links that wait for a path dial at once.
func (n *Node) serverIsBack() {
	for _, l := range n.links.all() {
		if l.path().Kind == 0 {
			l.line.Poke()
		}
	}
}

// redialOnce asks for an introduction, or waits for one that is under way, until the link has a path or is over.
func (n *Node) redialOnce(ctx context.Context, l *link) error {
	d, mine := n.dials.join(target{id: l.peer})
	if mine && !n.spawn(func() { n.dial(d) }) {
		n.dials.end(d, nil, n.Err())
	}
	for {
		select {
		case <-d.done:
			return d.err
		case <-l.line.Changed():
			if l.path().Kind != 0 || l.line.Err() != nil { // the carrier that was lost may work after all
				l.line.Poke()
				return l.line.Err()
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
