package session

import (
	"sync"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

// longAgo is a deadline that interrupts at once.
var longAgo = time.Unix(1, 0)

// A readDeadline is the read deadline of a stream, which can be lifted for as long as data is taken.
type readDeadline struct {
	mu     sync.Mutex // guards what follows and keeps the multiplexer's deadline in step
	at     time.Time  // zero means none
	lifted bool
}

func (d *readDeadline) set(mux *yamux.Stream, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	if !d.lifted {
		mux.SetReadDeadline(at)
	}
}

// expire interrupts what waits for data.
func (d *readDeadline) expire(mux *yamux.Stream) { d.set(mux, longAgo) }

// lift keeps the deadline away from the multiplexer until restore. It fails, and lifts nothing, if it is exceeded.
func (d *readDeadline) lift(mux *yamux.Stream) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() {
		if !time.Now().Before(d.at) {
			return false
		}
		mux.SetReadDeadline(time.Time{})
	}
	d.lifted = true
	return true
}

func (d *readDeadline) restore(mux *yamux.Stream) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lifted = false
	if !d.at.IsZero() {
		mux.SetReadDeadline(d.at)
	}
}
