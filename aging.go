package bodkin

import (
	"net"
	"slices"
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
	if now.Sub(g.home) > missed.Sub(born)*5/4+disproveWait {
		return false
	}
	return g.noteLocked(born, heard, missed)
}

// noteOwn takes in the silent death of the connection to the server.
func (g *aging) noteOwn(heard, missed time.Time) (learnt bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.noteLocked(g.home, heard, missed)
}

func (g *aging) noteLocked(born, heard, missed time.Time) (learnt bool) {
	defer nudge(g.wake)
	return g.learnt.Note(natbehavior.Death{Born: born, Heard: heard, Missed: missed})
}

// looks are the ages at which the mapping of the node's own port should be looked at, and since when it is there.
func (g *aging) looks() (looks []time.Duration, home time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.learnt.Looks(), g.home
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
		n.agingLearnt()
	}
}

// serverDied hears from the client that the connection to the server was given up for its silence.
func (n *Node) serverDied(heard, missed time.Time) {
	if n.aging.noteOwn(heard, missed) {
		n.agingLearnt()
	}
}

func (n *Node) agingLearnt() {
	limit, _ := n.aging.limit()
	n.log.Info("this network ends mappings at an age", "age", limit)
	n.agingChanged()
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
		if looks, home := n.aging.looks(); !of.home.Equal(home) || !slices.Equal(of.looks, looks) {
			of = newVigil(looks, home, time.Now())
		}
		timer.Reset(of.wait(time.Now()))
		select {
		case <-n.ctx.Done():
			return
		case <-n.aging.wake:
			continue
		case <-timer.C:
		}
		switch {
		case len(of.steps) == 0:
			continue
		case len(of.steps) > 1:
			n.client.Check()
		case n.client.State().Connected && n.aging.survived(of.home, of.steps[0].Add(-disproveWait)):
			n.log.Info("this network ends mappings at no age after all")
			n.agingChanged()
		}
		of.steps = of.steps[1:]
	}
}

// A vigil is what is to be done for the mapping of the node's own port that was made at home: look at some ages whether it works, and
// after the last look see what came of that.
type vigil struct {
	looks []time.Duration
	home  time.Time
	steps []time.Time
}

func newVigil(looks []time.Duration, home, now time.Time) vigil {
	v := vigil{looks: looks, home: home}
	for _, age := range looks {
		step := home.Add(age + agedAfter)
		if len(v.steps) == 1 && !step.After(now) { // of those that are due one is enough
			v.steps = v.steps[:0]
		}
		v.steps = append(v.steps, step)
	}
	if len(v.steps) > 0 {
		v.steps = append(v.steps, v.steps[len(v.steps)-1].Add(disproveWait))
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
