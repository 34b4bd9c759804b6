package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/bodkin-p2p/bodkin"
)

// block is how much is written and read at a time.
const block = 16 << 10

// A flow is one direction of the stream: size bytes that nobody can guess, hashed at both ends.
type flow struct {
	size int64
	pace *rate.Limiter
	held atomic.Bool // the writer waits

	written, read atomic.Int64
	gaps          gaps

	sent, came [sha256.Size]byte
	writeErr   error // good once the writer has ended
	readErr    error
}

func newFlow(size int64) *flow {
	return &flow{size: size, pace: rate.NewLimiter(block, block)}
}

// write writes the flow and ends its direction.
func (f *flow) write(conn *bodkin.Conn, seed uint64) {
	source := rand.NewChaCha8([32]byte{byte(seed), 1})
	sum := sha256.New()
	buffer := make([]byte, block)
	for left := f.size; left > 0; {
		f.await()
		chunk := buffer[:min(left, block)]
		source.Read(chunk)
		sum.Write(chunk)
		if _, err := conn.Write(chunk); err != nil {
			f.writeErr = fmt.Errorf("write behind %d bytes: %w", f.size-left, err)
			return
		}
		left -= int64(len(chunk))
		f.written.Add(int64(len(chunk)))
	}
	sum.Sum(f.sent[:0])
	f.writeErr = conn.CloseWrite()
}

// await waits until the next block may go.
func (f *flow) await() {
	wait := f.pace.ReserveN(time.Now(), block).Delay()
	for wait > 0 || f.held.Load() {
		<-time.After(max(wait, time.Millisecond))
		wait = 0
	}
}

// take reads the flow to its end.
func (f *flow) take(conn io.Reader) {
	sum := sha256.New()
	buffer := make([]byte, block)
	for {
		n, err := conn.Read(buffer)
		sum.Write(buffer[:n])
		if n > 0 {
			f.read.Add(int64(n))
			f.gaps.came(time.Now())
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			f.readErr = fmt.Errorf("read behind %d bytes: %w", f.read.Load(), err)
			return
		}
	}
	sum.Sum(f.came[:0])
}

// verdict tells what is wrong with a flow that has ended.
func (f *flow) verdict() error {
	switch {
	case f.writeErr != nil || f.readErr != nil:
		return errors.Join(f.writeErr, f.readErr)
	case f.read.Load() != f.size:
		return fmt.Errorf("%d bytes were sent, and %d came", f.size, f.read.Load())
	case f.sent != f.came:
		return fmt.Errorf("the hash of what was sent is %x, that of what came %x", f.sent, f.came)
	}
	return nil
}

// gaps remembers when no bytes came. What is shorter than noGap is none.
type gaps struct {
	mu   sync.Mutex
	last time.Time
	list []gap
}

const noGap = 2 * time.Millisecond

type gap struct{ from, to time.Time }

func (g *gaps) came(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.last.IsZero() && now.Sub(g.last) >= noGap {
		g.list = append(g.list, gap{g.last, now})
	}
	g.last = now
}

// longest is the longest time from begin on without bytes, until they came last.
func (g *gaps) longest(begin time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var most time.Duration
	for _, gap := range g.list {
		if gap.from.Before(begin) {
			gap.from = begin
		}
		most = max(most, gap.to.Sub(gap.from))
	}
	return most
}

// forget makes room before the next fault.
func (g *gaps) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = nil
}
