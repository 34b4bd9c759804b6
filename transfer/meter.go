package transfer

import (
	"sync"
	"sync/atomic"
)

// A Meter tells how far a transfer is, while it runs. The zero Meter is ready. It is safe for concurrent use.
type Meter struct {
	bytes, resumed, files atomic.Int64

	mu      sync.Mutex // guards the following
	offer   Offer
	started bool
	current string
}

// A Reading is what a Meter shows.
type Reading struct {
	Offer   Offer
	Started bool   // content is on its way; before, both sides look at what there is
	Bytes   int64  // of content that are done, those of earlier runs too
	Resumed int64  // of these, the ones of earlier runs, which were not sent again
	Files   int    // that are done
	Current string // path of the file that was begun last
}

// Read reads the meter.
func (m *Meter) Read() Reading {
	r := Reading{Bytes: m.bytes.Load(), Resumed: m.resumed.Load(), Files: int(m.files.Load())}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Offer, r.Started, r.Current = m.offer, m.started, m.current
	return r
}

// begin sets the meter to zero, for a new connection.
func (m *Meter) begin(o Offer) {
	m.bytes.Store(0)
	m.resumed.Store(0)
	m.files.Store(0)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offer, m.started, m.current = o, false, ""
}

func (m *Meter) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started = true
}

func (m *Meter) file(path string, offset int64) {
	m.bytes.Add(offset)
	m.resumed.Add(offset)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = path
}
