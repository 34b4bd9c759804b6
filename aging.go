package bodkin

import (
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// The node's own port is watched to see whether its mapping ends when it should: then the connection to the server is made anew at once,
// and if it lives on for a good while, what was learnt is wrong.
const (
	agedAfter    = 100 * time.Millisecond
	disproveAt   = 1.3
	disproveWait = 5 * time.Second // longer than the server has to answer
)

// aging is whether the network in front of a node ends mappings at an age, and how old that of the node's own port is.
type aging struct {
	mu     sync.Mutex
	learnt natbehavior.Aging
	idling natbehavior.Idling
	home   time.Time     // when the connection to the server was begun, the first that leaves from the node's port
	wake   chan struct{} // holds one: something changed
}

// seen hears from the client whenever its state changed, and tells whether it is another connection.
func (g *aging) seen(state rendezvous.State) (isNew bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !state.Connected || state.Since.Equal(g.home) {
		return false
	}
	g.home = state.Since
	nudge(g.wake)
	return true
}

// forget is for a node that is in another network. It tells whether this one needed idle connections to speak more often.
func (g *aging) forget() (spoke bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	spoke = g.idling.Every() < natbehavior.IdleMost
	g.learnt, g.idling = natbehavior.Aging{}, natbehavior.Idling{}
	nudge(g.wake)
	return spoke
}

// limit is the age at which mappings end, zero if they are not known to, and since when the node's own port has one.
func (g *aging) limit() (limit time.Duration, home time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.learnt.Limit(), g.home
}

// note takes in the silent death of a connection whose mapping was made at born. If the node's own mapping is far older, this network
// has not ended it: that of the peer may have.
func (g *aging) note(born, heard, missed, now time.Time) (learnt bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := natbehavior.Death{Heard: heard.Sub(born), Missed: missed.Sub(born)}
	if born.IsZero() || now.Sub(g.home) > d.Missed*5/4+disproveWait {
		return false
	}
	return g.learnt.Note(d)
}

// noteIdle takes in that a connection died which had been quiet for so long, and tells whether idle ones must speak more often now.
func (g *aging) noteIdle(quiet time.Duration, now time.Time) (learnt bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idling.Note(quiet, now)
}

// keepAlive is how often something is sent on an idle connection.
func (g *aging) keepAlive() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idling.Every()
}

// survived takes in that the node's own mapping has lived on since home.
func (g *aging) survived(home, until time.Time) (disproved bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return home.Equal(g.home) && g.learnt.Survived(until.Sub(home))
}

// carrierDied hears from a line that a carrier was given up for its silence.
func (n *Node) carrierDied(c line.Carrier, heard, missed time.Time) {
	w, now := c.Label.(origin), time.Now()
	learnt := n.aging.note(w.born, heard, missed, now)
	if n.aging.noteIdle(missed.Sub(heard), now) {
		n.keepAlive()
	}
	n.log.Info("carrier died", "remote", w.path.Remote, "heard_at_age", heard.Sub(w.born), "missed_at_age", missed.Sub(w.born))
	if learnt {
		limit, _ := n.aging.limit()
		n.log.Info("this network ends mappings at an age", "age", limit)
		n.agingChanged()
	}
}

// keepAlive tells all connections how often they must speak.
func (n *Node) keepAlive() {
	every := n.aging.keepAlive()
	n.log.Info("idle connections speak", "every", every)
	if every == natbehavior.IdleMost {
		n.client.KeepAlive(0)
	} else {
		n.client.KeepAlive(every)
	}
	for _, l := range n.links.all() {
		l.line.SetKeepAlive(every)
	}
}

// agingChanged has all links look when their carriers are to have successors.
func (n *Node) agingChanged() {
	nudge(n.aging.wake)
	for _, l := range n.links.all() {
		l.line.Poke()
	}
}

// born is when the mapping of a connection's local port was made.
func (n *Node) born(a *attempt, socket net.Conn) time.Time {
	local := addrPort(socket.LocalAddr().String()).Port()
	if local == n.port.Number() {
		_, home := n.aging.limit()
		return home
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.spares {
		if s.port.Number() == local {
			return s.made
		}
	}
	return a.introduced
}

// watchAge has the connection to the server made anew when its mapping has ended of age, until the node ends.
func (n *Node) watchAge() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var of vigil
	for {
		if limit, home := n.aging.limit(); !of.home.Equal(home) || of.limit != limit {
			of = newVigil(limit, home)
		}
		timer.Reset(of.wait(time.Now()))
		select {
		case <-n.ctx.Done():
			return
		case <-n.aging.wake:
			continue
		case <-timer.C:
		}
		if len(of.steps) == 0 {
			continue
		}
		if len(of.steps) > 1 {
			n.client.Check()
		} else if n.client.State().Connected && n.aging.survived(of.home, of.steps[0].Add(-disproveWait)) {
			n.log.Info("this network ends mappings at no age after all")
			n.agingChanged()
		}
		of.steps = of.steps[1:]
	}
}

// A vigil is what is to be done for the mapping of the node's own port that was made at home: look whether it works when it should have
// ended, and a good while later, and see what came of that.
type vigil struct {
	limit time.Duration
	home  time.Time
	steps []time.Time
}

func newVigil(limit time.Duration, home time.Time) vigil {
	v := vigil{limit: limit, home: home}
	if limit != 0 {
		disprove := home.Add(time.Duration(disproveAt * float64(limit)))
		v.steps = []time.Time{home.Add(limit + agedAfter), disprove, disprove.Add(disproveWait)}
	}
	return v
}

// wait is until the next step; long if there is none.
func (v vigil) wait(now time.Time) time.Duration {
	if len(v.steps) == 0 {
		return time.Hour
	}
	return v.steps[0].Sub(now)
}
