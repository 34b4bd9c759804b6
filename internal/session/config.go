package session

import (
	"cmp"
	"time"
)

const (
	// firstWindow is the receive window of a new stream. TCP's slow start sends no more in the time that it takes to enlarge it.
	firstWindow = 256 << 10
	// earlyWindow is what it is enlarged to at once, while Config.Buffer has room.
	earlyWindow = 2 << 20
	// maxOpening is how many streams one side may have opened without knowing whether they are taken.
	maxOpening = 256
	// dataSize is the most data in a frame that is sent.
	dataSize = 64 << 10
)

// Config is how a session behaves. The zero value is fit for use.
type Config struct {
	// Linger is how long Close waits for the peer to have what was written to streams that are closed. If zero, 3 s.
	// If negative, Close does not wait, and drops it.
	Linger time.Duration

	// MaxStreams is how many streams of the peer may be open; further ones are refused as busy. If zero, 256.
	MaxStreams int

	// Backlog is how many streams of the peer may wait for Accept; further ones are refused as busy. If zero, 128.
	Backlog int

	// Window is the largest receive window of a stream, in bytes: what the peer may have sent and this side not read.
	// A window begins with 256 KiB, the least value, and doubles while it is what limits the stream.
	// If zero, 32 MiB; at most 1 GiB.
	Window int

	// Buffer is by how many bytes the windows of all streams together may grow beyond their first 256 KiB. Half as much may be
	// taken to keep what has come where it came to, instead of copying it together. If zero, 64 MiB.
	Buffer int
}

func (c Config) withDefaults() Config {
	c.Linger = cmp.Or(c.Linger, 3*time.Second)
	c.MaxStreams = cmp.Or(c.MaxStreams, 256)
	c.Backlog = cmp.Or(c.Backlog, 128)
	c.Window = cmp.Or(c.Window, 32<<20)
	c.Buffer = cmp.Or(c.Buffer, 64<<20)
	c.Window = min(max(c.Window, firstWindow), 1<<30)
	return c
}
