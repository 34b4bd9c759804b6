// Package forward joins connections: what comes out of one goes into the other.
//
// The two directions of a connection end apart from each other, as they do in TCP: a program that has sent its request
// says so by closing its writing side, and still waits for the answer. A pipe keeps that, and it keeps apart a direction
// that ended from one that was cut: only the end is passed on as an end.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// bufferSize is what one direction reads at a time. From 64 KiB on, larger buffers made no difference over loopback.
const bufferSize = 64 << 10

// A Conn is a connection whose two directions end apart from each other.
type Conn interface {
	io.ReadWriteCloser
	// CloseWrite tells the other end that nothing more comes.
	CloseWrite() error
}

// A Breaker is a Conn that can tell its other end that the bytes were cut off, and why. Pipe uses it, where a Conn has
// it, instead of a Close that the other end could take for an orderly end.
type Breaker interface {
	CloseWithError(err error) error
}

// Pipe copies from a to b and from b to a until both directions have ended, and closes both connections before it
// returns. A read that fails breaks both off at once, as does the end of ctx, whose cause is then the error. A write that
// fails ends only its direction, because the answer to what was written before may still be on its way; Pipe returns
// that error after the other direction has ended too.
func Pipe(ctx context.Context, a, b Conn) error {
	p := &pipe{a: a, b: b}
	stop := context.AfterFunc(ctx, func() { p.breakOff(context.Cause(ctx)) })

	var directions sync.WaitGroup
	directions.Go(func() { p.copy(b, a) })
	directions.Go(func() { p.copy(a, b) })
	directions.Wait()

	if !stop() && ctx.Err() != nil {
		p.breakOff(context.Cause(ctx)) // takes turns with the one under way, so that both are closed below
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.broken {
		a.Close()
		b.Close()
	}
	return p.err
}

type pipe struct {
	a, b Conn

	mu     sync.Mutex // guards the following
	broken bool       // both are closed
	err    error      // the first
}

// copy moves bytes until from ends, and passes the end on.
func (p *pipe) copy(to, from Conn) {
	buffer := make([]byte, bufferSize)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				p.note(fmt.Errorf("write: %w", err))
				return
			}
		}
		if errors.Is(err, io.EOF) {
			if err := to.CloseWrite(); err != nil {
				p.note(fmt.Errorf("end: %w", err))
			}
			return
		}
		if err != nil {
			p.breakOff(err)
			return
		}
	}
}

func (p *pipe) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// breakOff closes both connections for a reason, which also ends the copying.
func (p *pipe) breakOff(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return
	}
	p.broken = true
	if p.err == nil {
		p.err = reason
	}
	for _, c := range []Conn{p.a, p.b} {
		if b, ok := c.(Breaker); ok {
			b.CloseWithError(reason)
		}
		c.Close()
	}
}
