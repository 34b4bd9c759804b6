package bodkin

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/choice"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// How often the paths of a session are measured: while something is wrong or several are compared, while it is in use, and while it is idle.
const (
	compareSoon = 500 * time.Millisecond
	compareBusy = 2 * time.Second
	compareIdle = improveFirst
)

// whyPeer is said at the end that did not measure.
const whyPeer = "the peer measures a direct path that is worse"

// A comparing is what a link keeps to compare its paths. All but the atomic fields is only for the goroutine that tends the link.
type comparing struct {
	judge   choice.Judge
	counted map[uint64]*tally
	moved   uint64    // bytes of the session
	busyAt  time.Time // when there were more of them last

	relayRTT atomic.Int64           // by the relay, as the server tells, in nanoseconds; zero: unknown
	why      atomic.Pointer[string] // why the relay is used rather than a direct path; nil if it is not, or the peer knows
}

// A tally is what is known of one carrier since the last reading.
type tally struct {
	counts  reuseport.Counts
	loss    choice.Loss
	attempt wire.AttemptID // of a relayed one
	seen    bool
}

// compare takes a reading of a link's paths, does what follows from it, and tells when the next is due.
func (n *Node) compare(l *link) time.Duration {
	c, now := &l.compares, time.Now()
	gauges, stats := l.line.Gauges(), l.line.Stats()
	reading := choice.Reading{
		Now: now, MayRelay: n.config.Relay == RelayAuto, RelayRTT: time.Duration(c.relayRTT.Load()), Pressed: l.line.Pressed(),
		Moved: come(stats),
	}
	if reading.Moved != c.moved || c.busyAt.IsZero() {
		c.moved, c.busyAt = reading.Moved, now
	}
	for _, g := range gauges {
		reading.Pressed = reading.Pressed || g.PeerLoss.Pressed
	}
	own := l.line.Pressed()
	for _, g := range gauges {
		reading.Paths = append(reading.Paths, c.read(l, g, reading.Pressed, own))
	}
	n.forgetTallies(c)
	n.shed(l, now)
	idle := now.Sub(c.busyAt) > compareIdle
	if !l.line.Began() || idle && len(gauges) < 2 {
		if idle {
			return compareIdle
		}
		return compareBusy
	}
	advice := c.judge.Judge(reading)
	n.heed(l, advice)
	l.line.Measure() // those that are aside as well
	switch {
	case idle:
		return compareIdle
	case advice.Alert:
		return compareSoon
	}
	return compareBusy
}

// come is how many bytes of a session have come over, both ways together. It never falls: what is written and still here does not count.
func come(s line.Stats) uint64 { return s.Received + s.Acknowledged }

// read is what a judge hears of one carrier, and what the peer is told of it.
func (c *comparing) read(l *link, g line.Gauge, pressed, own bool) choice.Path {
	w := g.Carrier.Label.(origin)
	if c.counted == nil {
		c.counted = map[uint64]*tally{}
	}
	p := choice.Path{ID: g.Name, Relayed: w.path.Kind == Relayed, InUse: g.InUse, RTT: g.RTT, PeerLoss: float64(g.PeerLoss.PerMille) / 1000}
	t := c.counted[g.Name]
	isNew := t == nil
	if isNew {
		t = &tally{}
		c.counted[g.Name] = t
	}
	t.seen = true
	if p.Relayed {
		t.attempt = w.attempt
	}
	counts, ok := reuseport.Counted(w.socket)
	if p.Known = ok; ok && !isNew {
		p.Sent, p.Repeated = int(counts.Sent-t.counts.Sent), int(counts.Repeated-t.counts.Repeated)
		t.loss.Note(float64(p.Sent), float64(p.Repeated))
	}
	t.counts = counts
	switch {
	case p.Relayed && p.InUse && pressed: // its pings wait behind data
		p.RTT = 0
	case !p.Relayed && p.Sent > 0 && p.InUse:
		if p.RTT == 0 || pressed || counts.RTT < p.RTT {
			p.RTT = counts.RTT
		}
	case pressed && p.InUse:
		p.RTT = 0
	}
	if !l.line.Began() {
		l.line.Tell(g.Name, line.Loss{PerMille: int(1000 * t.loss.Share()), Pressed: own && g.InUse})
	}
	return p
}

// forgetTallies drops those of carriers that are gone.
func (n *Node) forgetTallies(c *comparing) {
	for name, t := range c.counted {
		if !t.seen {
			n.relays.forget(t.attempt)
			delete(c.counted, name)
		}
		t.seen = false
	}
}

// heed does what a judge advises.
func (n *Node) heed(l *link, advice choice.Advice) {
	if advice.SeekDirect {
		n.seek(l, "direct", func(ctx context.Context) error { return n.anotherAs(ctx, l, line.Carrier{Aside: true}) })
	}
	if advice.SeekRelayed {
		n.seek(l, "relayed", func(ctx context.Context) error {
			_, err := n.introduceTo(ctx, target{id: l.peer}, rendezvous.ByNode(l.peer).Relayed())
			return err
		})
	}
	if advice.Use != 0 {
		why := &advice.Why
		if advice.Why == "" {
			why = nil
		}
		l.compares.why.Store(why)
		if l.line.Use(advice.Use) {
			n.log.Info("session moves to the better path", "peer", l.name, "path", l.path().Kind, "why", advice.Why)
		}
	}
	for _, name := range advice.Drop {
		l.line.PutDown(name)
	}
}

// seek makes a carrier to compare with that in use, in the background.
func (n *Node) seek(l *link, kind string, with func(context.Context) error) {
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
		defer cancel()
		err := with(ctx)
		n.log.Debug("looked for a path to compare", "peer", l.name, "kind", kind, "err", err)
	})
}

// errNotCompared is that a relayed connection came that no session wants to compare.
var errNotCompared = errors.New("bodkin: no session to compare a relayed path for")

// comparable returns the link with a peer for which a relayed connection was asked for: the newest that this node began and that is direct.
func (t *links) comparable(peer NodeID) *link {
	for _, l := range slices.Backward(t.with(peer)) {
		if l.line.Began() && l.line.Err() == nil && !l.dialOnly && l.path().Kind == Direct {
			return l
		}
	}
	return nil
}

// asideOf has a carrier be measured first where the session was moved to a path of a lower rank on purpose.
func (l *link) asideOf(carrier line.Carrier) line.Carrier {
	if current, ok := l.line.Carrier(); ok && l.line.Chosen() && carrier.Rank > current.Rank {
		carrier.Aside, carrier.Beside = true, false
	}
	return carrier
}

// choiceOf is the path with why it is used, if a direct one was left.
func (l *link) choiceOf(path Path) Path {
	if path.Kind == Relayed && l.line.Chosen() {
		path.Why = whyPeer
		if why := l.compares.why.Load(); why != nil {
			path.Why = *why
		}
	}
	return path
}
