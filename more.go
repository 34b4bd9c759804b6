package bodkin

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// furtherPatience bounds one wish of a line for another connection, with all ways that there are.
const furtherPatience = 30 * time.Second

// more makes a connection that a line wants beside those that it has, in the background. Where that fails it is not tried again at once.
func (n *Node) more(over *line.Line) {
	l := n.links.over(over)
	if l == nil || l.path().Kind != Direct || !l.control.rest.isOver(time.Now()) {
		return
	}
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, furtherPatience)
		defer cancel()
		err := n.another(ctx, l, true)
		if errors.Is(err, errAsking) {
			return
		}
		l.control.rest.note(err, time.Now())
	})
}

// A rest keeps from trying again at once what has failed. The zero rest is over.
type rest struct {
	mu    sync.Mutex
	until time.Time
	wait  time.Duration
}

func (r *rest) isOver(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(r.until)
}

// note takes in how it went: each failure in a row makes the rest twice as long, up to improveLast. Failures during a rest count no
// more.
func (r *rest) note(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.wait, r.until = 0, time.Time{}
		return
	case now.Before(r.until): // of several that were tried at once
		return
	}
	r.wait = min(max(2*r.wait, improveFirst), improveLast)
	r.until = now.Add(r.wait)
}
