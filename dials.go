package bodkin

import (
	"sync"
	"time"
)

// A dial is the making of one session. Callers who want the same peer share it.
type dial struct {
	who     target
	started time.Time

	done   chan struct{} // closed at the end, then either link and timing are set, or err
	link   *link
	timing Timing
	err    error
}

type dials struct {
	mu       sync.Mutex
	byTarget map[target]*dial
}

// join returns the dial under way to a target, or a new one that the caller must run.
func (t *dials) join(who target) (d *dial, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d, ok := t.byTarget[who]; ok {
		return d, false
	}
	if t.byTarget == nil {
		t.byTarget = map[target]*dial{}
	}
	d = &dial{who: who, started: time.Now(), done: make(chan struct{})}
	t.byTarget[who] = d
	return d, true
}

// end publishes what became of a dial, unless a link has fulfilled it already.
func (t *dials) end(d *dial, l *link, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked(d, l, err)
}

func (t *dials) endLocked(d *dial, l *link, err error) {
	if t.byTarget[d.who] != d {
		return
	}
	delete(t.byTarget, d.who)
	if d.link, d.err = l, err; err == nil {
		if marks := l.origin().marks; marks.introduced.After(d.started) {
			d.timing = marks.since(d.started)
		}
	}
	close(d.done)
}

// fulfil ends the dials to a peer that a new link leads to, whoever began it: two nodes that dial each other want one
// session, not two.
func (t *dials) fulfil(l *link) {
	if l.dialOnly {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for who, d := range t.byTarget {
		if who.matches(l.peer, l.name) {
			t.endLocked(d, l, nil)
		}
	}
}
