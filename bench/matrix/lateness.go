package main

import (
	"context"
	"sync"
	"time"
)

// A clock notices when the machine stands still: it wakes every tick, and remembers how late it woke. What makes it late makes the nodes
// of the runs late too, and says nothing about them.
type clock struct {
	mu   sync.Mutex
	late map[*watch]time.Duration
}

const tick = time.Millisecond

// A watch is one run's look at the clock.
type watch struct{ of *clock }

func (c *clock) run(ctx context.Context) {
	ticker := time.NewTimer(tick)
	defer ticker.Stop()
	for due := time.Now().Add(tick); ; due = time.Now().Add(tick) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		c.woke(time.Since(due))
		ticker.Reset(tick)
	}
}

func (c *clock) woke(late time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w, worst := range c.late {
		c.late[w] = max(worst, late)
	}
}

// start begins to watch.
func (c *clock) start() *watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &watch{c}
	if c.late == nil {
		c.late = map[*watch]time.Duration{}
	}
	c.late[w] = 0
	return w
}

// stop tells for how long the machine stood still at most since start.
func (w *watch) stop() time.Duration {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	worst := w.of.late[w]
	delete(w.of.late, w)
	return worst
}
