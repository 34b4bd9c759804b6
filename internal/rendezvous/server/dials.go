package server

import (
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// dials bounds how often a node asks for introductions, on all its connections together and beyond their end.
type dials struct {
	perSecond, perMinute float64

	mu     sync.Mutex
	byNode map[identity.NodeID]*dialBudget // of nodes that dialled within the last minute or so
}

type dialBudget struct{ second, minute bucket }

func newDials(l Limits) *dials {
	return &dials{perSecond: float64(l.DialsPerSecond), perMinute: float64(l.DialsPerMinute), byNode: map[identity.NodeID]*dialBudget{}}
}

// take takes one dial from the budget of c's node, or tells when there is one again.
func (d *dials) take(c *conn, now time.Duration) (wait time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	budget := d.byNode[c.node]
	if budget == nil {
		budget = &dialBudget{}
		d.byNode[c.node] = budget
	}
	if wait, ok := budget.second.take(now, d.perSecond, d.perSecond); !ok {
		return wait, false
	}
	return budget.minute.take(now, d.perMinute/60, d.perMinute)
}

// forget drops the budgets that are whole again.
func (d *dials) forget(now time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for node, budget := range d.byNode {
		if budget.second.full(now, d.perSecond) && budget.minute.full(now, d.perMinute/60) {
			delete(d.byNode, node)
		}
	}
}
