package server

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// newsBytes is how much a watcher is given at a time: one TLS record, and short enough a time under the room's lock.
	newsBytes = 12 << 10
	// newsLeast is the length of a log below which it is not worth compacting.
	newsLeast = 32
	// newsGone is how many nodes that left are remembered for watchers that have not heard of it, besides as many as are in the
	// room. A watcher that is further behind starts anew.
	newsGone = 1024
)

// A newsLog is what happened in a room, latest last. A node is in it once: what happens to it moves it to the end, and the place
// where it was is void. So a watcher needs no queue. It has a place in the log, and is told what stands behind it when
// it has room for more; the slower it is, the more it is told at once.
type newsLog struct {
	sequence  uint64 // of the latest
	entries   []newsEntry
	compactAt int
}

type newsEntry struct {
	sequence uint64
	member   *member // its changed is another number: void
}

// A watcher is a connection that asked for presence.
type watcher struct {
	conn   *conn
	cursor uint64 // knows the log up to here
	begun  bool   // SnapshotBegin is sent
	synced bool   // SnapshotEnd is sent
	since  uint64 // the log when the snapshot began: those who left before are not news
}

// noteLocked puts m at the end of the news.
func (r *room) noteLocked(m *member) {
	if m.primary == nil && len(r.watchers) == 0 {
		m.changed = 0
		return
	}
	log := &r.news
	log.sequence++
	if m.joined == 0 {
		m.joined = log.sequence
	}
	m.changed = log.sequence
	log.entries = append(log.entries, newsEntry{log.sequence, m})
	if len(log.entries) >= max(newsLeast, log.compactAt) {
		r.compactLocked()
	}
}

// compactLocked drops void places and the nodes that left, as far as every watcher knows it.
func (r *room) compactLocked() {
	log := &r.news
	known := log.sequence
	for _, w := range r.watchers {
		known = min(known, w.cursor)
	}
	gone := 0
	for _, e := range log.entries {
		if e.isValid() && e.member.primary == nil && e.sequence > known {
			gone++
		}
	}
	if gone > newsGone+len(r.members) {
		known = log.sequence
		for _, w := range r.watchers {
			if w.cursor < log.sequence {
				w.cursor, w.begun, w.synced, w.since = 0, false, false, log.sequence
			}
		}
	}
	log.entries = slices.DeleteFunc(log.entries, func(e newsEntry) bool {
		return !e.isValid() || (e.member.primary == nil && e.sequence <= known)
	})
	log.entries = slices.Clip(log.entries)
	log.compactAt = 2 * len(log.entries)
}

func (e newsEntry) isValid() bool { return e.member.changed == e.sequence }

// watch makes c a watcher, from a new snapshot on, or none.
func (r *room) watch(c *conn, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !on || c.left {
		delete(r.watchers, c)
		return
	}
	if r.watchers == nil {
		r.watchers = map[*conn]*watcher{}
	}
	r.watchers[c] = &watcher{conn: c, since: r.news.sequence}
}

// next appends the next news for w to b, as frames: nothing if it knows all.
func (r *room) next(w *watcher, b []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers[w.conn] != w {
		return b
	}
	if !w.begun {
		w.begun = true
		b = w.conn.server.appendFrame(b, &wire.ServerMessage{Body: &wire.ServerMessage_SnapshotBegin{SnapshotBegin: &wire.SnapshotBegin{}}})
	}
	entries := r.news.entries
	from := sort.Search(len(entries), func(i int) bool { return entries[i].sequence > w.cursor })
	for _, e := range entries[from:] {
		if len(b) > newsBytes {
			return b
		}
		if event := w.event(e); event != nil {
			b = w.conn.server.appendFrame(b, &wire.ServerMessage{Body: &wire.ServerMessage_Presence{Presence: event}})
		}
		w.cursor = e.sequence
	}
	w.cursor = r.news.sequence
	if !w.synced {
		w.synced = true
		b = w.conn.server.appendFrame(b, &wire.ServerMessage{Body: &wire.ServerMessage_SnapshotEnd{SnapshotEnd: &wire.SnapshotEnd{}}})
	}
	return b
}

// event is what e is to w, or nil.
func (w *watcher) event(e newsEntry) *wire.Presence {
	m := e.member
	switch {
	case !e.isValid() || m.node == w.conn.node:
		return nil
	case m.primary != nil && m.joined > w.cursor:
		return m.presence(wire.Presence_KIND_JOINED)
	case m.primary != nil:
		return m.presence(wire.Presence_KIND_CHANGED)
	case e.sequence <= w.since:
		return nil
	}
	return &wire.Presence{Kind: wire.Presence_KIND_LEFT, Node: m.node[:]}
}

func (m *member) presence(kind wire.Presence_Kind) *wire.Presence {
	return &wire.Presence{Kind: kind, Node: m.node[:], SealedProfile: m.primary.profile, NameTag: m.name[:]}
}

// watchersNow returns a copy of the list of watchers.
func (r *room) watchersNow(list []*watcher) []*watcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.watchers {
		list = append(list, w)
	}
	return list
}

// An announcer tells watchers the news, room by room, in its own goroutine, so that a big room delays only other rooms' presence.
type announcer struct {
	mu    sync.Mutex
	queue []*room
	wake  chan struct{} // holds one
}

func newAnnouncer() *announcer { return &announcer{wake: make(chan struct{}, 1)} }

// announce has the news of r told soon. It does not block.
func (a *announcer) announce(r *room) {
	r.mu.Lock()
	wanted := len(r.watchers) > 0 && !r.announcing
	if wanted {
		r.announcing = true
	}
	r.mu.Unlock()
	if !wanted {
		return
	}
	a.mu.Lock()
	a.queue = append(a.queue, r)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *announcer) run(ctx context.Context) {
	var watchers []*watcher
	var frames []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
		for r := a.take(); r != nil && ctx.Err() == nil; r = a.take() {
			clear(watchers)
			watchers = r.watchersNow(watchers[:0])
			for _, w := range watchers {
				frames = tell(r, w, frames)
			}
		}
	}
}

func (a *announcer) take() *room {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		a.queue = nil
		return nil
	}
	r := a.queue[0]
	a.queue = a.queue[1:]
	r.mu.Lock()
	r.announcing = false
	r.mu.Unlock()
	return r
}

// tell gives w all that it takes now. When more fits, its connection asks for another announcement.
func tell(r *room, w *watcher, frames []byte) []byte {
	for {
		if waiting, _ := w.conn.socket.Pending(); waiting > 0 {
			return frames
		}
		frames = r.next(w, frames[:0])
		if len(frames) == 0 || !w.conn.send(frames) {
			return frames
		}
	}
}
