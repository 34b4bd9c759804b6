package line

import (
	"net"
	"testing"
	"time"
)

// A blackhole is a connection that takes writes and loses them once it is dead, and gives nothing to read.
type blackhole struct {
	net.Conn
	dead    chan struct{}
	last    time.Time
	longest time.Duration
}

func (b *blackhole) Write(p []byte) (int, error) {
	select {
	case <-b.dead:
		return len(p), nil
	default:
	}
	if now := time.Now(); !b.last.IsZero() {
		b.longest = max(b.longest, now.Sub(b.last))
	}
	b.last = time.Now()
	return b.Conn.Write(p)
}

func (b *blackhole) Read(p []byte) (int, error) {
	for {
		n, err := b.Conn.Read(p)
		select {
		case <-b.dead:
			if err != nil {
				return n, err
			}
		default:
			return n, err
		}
	}
}

// holes is a dial for pairs whose first end can be made deaf and mute.
type holes struct{ last *blackhole }

func (h *holes) dial(testing.TB) (net.Conn, net.Conn) {
	a, b := net.Pipe()
	h.last = &blackhole{Conn: a, dead: make(chan struct{})}
	return h.last, b
}
