package server

import (
	"context"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// refusedLinger is how long a refused node has to read why.
	refusedLinger = 2 * time.Second
	// reapInterval is how exactly deadlines of connections are kept.
	reapInterval = 500 * time.Millisecond
	// dialsForgetInterval is how often budgets that are whole again are dropped.
	dialsForgetInterval = time.Minute
)

// A sweeper ends connections whose time is over. New and refused ones, which are few, are on a list with a deadline; the others it
// looks through bit by bit, so that an idle node needs no timer.
type sweeper struct {
	server *Server
	wake   chan struct{} // holds one

	mu     sync.Mutex
	doomed map[*conn]time.Duration // when, since the server started
}

func newSweeper(s *Server) *sweeper {
	return &sweeper{server: s, wake: make(chan struct{}, 1), doomed: map[*conn]time.Duration{}}
}

// reap has c dropped after wait, unless it is spared before. It may be called with any lock held.
func (w *sweeper) reap(c *conn, wait time.Duration) {
	w.mu.Lock()
	w.doomed[c] = w.server.now() + wait
	w.mu.Unlock()
	if wait > 0 {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// spare takes back reap.
func (w *sweeper) spare(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.doomed, c)
}

func (w *sweeper) run(ctx context.Context) {
	// All shards within half a ping interval: silence is noticed that late at most.
	shardTicker := time.NewTicker(max(w.server.limits.PingInterval/(2*tableShards), time.Millisecond))
	defer shardTicker.Stop()
	reapTicker := time.NewTicker(reapInterval)
	defer reapTicker.Stop()
	dialsTicker := time.NewTicker(dialsForgetInterval)
	defer dialsTicker.Stop()
	var list []*conn
	for shard := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			w.reapDue()
		case <-reapTicker.C:
			w.reapDue()
			w.server.renewPong()
		case <-shardTicker.C:
			if shard%tableShards == 0 {
				w.endRooms()
			}
			clear(list)
			list = w.server.table.part(shard, list[:0])
			shard++
			w.sweep(list)
		case <-dialsTicker.C:
			w.server.dials.forget(w.server.now())
			w.server.prover.forget(w.server.now())
		}
	}
}

func (w *sweeper) reapDue() {
	now := w.server.now()
	var due []*conn
	w.mu.Lock()
	for c, at := range w.doomed {
		if at <= now {
			due = append(due, c)
			delete(w.doomed, c)
		}
	}
	w.mu.Unlock()
	for _, c := range due {
		w.server.drop(c, c.fate())
	}
}

// fate is why a doomed connection ends.
func (c *conn) fate() string {
	if waiting, _ := c.socket.Pending(); waiting > 0 {
		return "slow"
	}
	if c.isClosing() {
		return "refused"
	}
	return "unregistered"
}

// endRooms finds the rooms that are not served any more. Their nodes are told when the sweep comes to them.
func (w *sweeper) endRooms() {
	if w.server.roomServed == nil {
		return
	}
	for _, r := range w.server.registry.list() {
		r.ended.Store(!w.server.roomServed(r.id))
	}
}

// sweep drops those of list that are silent or do not read, and refuses those whose room has ended.
func (w *sweeper) sweep(list []*conn) {
	for _, c := range list {
		if !w.server.isAlive(c) {
			w.server.drop(c, "silent")
		} else if c.room.ended.Load() {
			c.refuse(wire.Refused_CODE_ROOM, "this server does not serve the room any more", 0)
		} else if waiting, since := c.socket.Pending(); waiting > 0 && time.Since(since) > w.server.limits.WriteTimeout {
			w.server.drop(c, "slow")
		}
	}
}
