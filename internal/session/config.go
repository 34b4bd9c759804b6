package session

import (
	"io"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

const (
	// firstWindowSize is the receive window of a new stream. The yamux specification says 256 KiB, which go-yamux
	// enlarges with its first word on the stream. Beginning with 2 MiB makes up for what go-yamux v5.1.0 loses of the
	// credit each time that a window doubles (docs/decisions/0035).
	firstWindowSize = 2 << 20
	// frameSize is the largest frame sent: one TLS record with it. With 64 KiB, memory moves half as much again, but 64
	// of them are queued in front of every small message: 1 MiB, not 4 (docs/decisions/0035).
	frameSize = 16 << 10
	// rttInterval is how often the round trip is measured for the growth of windows.
	rttInterval = 30 * time.Second
)

// Config is how a session behaves. The zero value is fit for use.
type Config struct {
	// KeepAlive is how long nothing may come from the peer until it is asked for a sign of life, which also keeps NAT
	// mappings alive. If zero, 15 s: the shortest mapping lifetimes seen are 50 s. If negative, the peer is never asked.
	KeepAlive time.Duration

	// Timeout is how long the carrier may take for the answer to a ping or for a write, and the peer for the header of a
	// stream, until they are given up. If zero, 10 s.
	Timeout time.Duration

	// Linger is how long Close waits for the peer to have what was written to streams that are closed. If zero, 3 s.
	// If negative, Close does not wait, and drops it.
	Linger time.Duration

	// MaxStreams is how many streams of the peer may be open; further ones are refused as busy. If zero, 256.
	MaxStreams int

	// Backlog is how many streams of the peer may wait for Accept; further ones are refused as busy. If zero, 128.
	Backlog int

	// Window is the largest receive window of a stream, in bytes: what the peer may have sent and this side not read.
	// A window begins with 2 MiB, the least value, and doubles while the stream is fast for its round trip.
	// If zero, 32 MiB; at most 1 GiB.
	Window int

	// Buffer is by how many bytes the windows of all streams together may grow beyond their first 2 MiB. If zero, 64 MiB.
	Buffer int
}

func (c Config) withDefaults() Config {
	defaultTo(&c.KeepAlive, 15*time.Second)
	defaultTo(&c.Timeout, 10*time.Second)
	defaultTo(&c.Linger, 3*time.Second)
	defaultTo(&c.MaxStreams, 256)
	defaultTo(&c.Backlog, 128)
	defaultTo(&c.Window, 32<<20)
	defaultTo(&c.Buffer, 64<<20)
	c.Window = min(max(c.Window, firstWindowSize), 1<<30)
	return c
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// mux is the multiplexer's configuration.
func (c Config) mux() *yamux.Config {
	m := yamux.DefaultConfig()
	m.LogOutput = io.Discard // every error reaches a caller
	m.EnableKeepAlive = c.KeepAlive > 0
	m.KeepAliveInterval = c.KeepAlive
	m.ConnectionWriteTimeout = c.Timeout
	m.MeasureRTTInterval = rttInterval
	// Greeting has room of its own, so that a refusal and a goodbye get through when all streams are taken.
	m.MaxIncomingStreams = uint32(c.MaxStreams + c.Backlog)
	m.InitialStreamWindowSize = firstWindowSize
	m.MaxStreamWindowSize = uint32(c.Window)
	m.MaxMessageSize = frameSize
	return m
}
