package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// openForwarding opens the stream for a connection to a forwarded port. What goes wrong it tells c, too.
func openForwarding(ctx context.Context, node control.Node, f forwarding, c *complaints) (control.Stream, error) {
	stream, err := reach(ctx, node, f.peer, func(peer string) (control.Stream, error) { return node.Dial(ctx, peer, f.service) })
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, control.ErrStopped) {
			c.tell(f, err)
		}
		return nil, err
	}
	return &complaining{Stream: stream, tell: func(err error) { c.tell(f, err) }}, nil
}

// complaining is a stream that says why it broke, once. Reading tells more than writing, which may only notice that nobody takes what it
// writes: so a failed Write is told at the end, and only if no Read has failed by then.
type complaining struct {
	control.Stream
	tell func(error)

	ending atomic.Bool // by this side: what fails from then on is no news
	told   sync.Once
	wrote  atomic.Pointer[error] // why writing failed first
}

// Stats is that of the stream.
func (c *complaining) Stats() bodkin.ConnStats { return control.StatsOf(c.Stream) }

func (c *complaining) Read(p []byte) (int, error) {
	n, err := c.Stream.Read(p)
	if err != nil && err != io.EOF && !c.ending.Load() {
		c.told.Do(func() { c.tell(err) })
	}
	return n, err
}

func (c *complaining) Write(p []byte) (int, error) {
	n, err := c.Stream.Write(p)
	c.note(err)
	return n, err
}

func (c *complaining) CloseWrite() error {
	err := c.Stream.CloseWrite()
	c.note(err)
	return err
}

func (c *complaining) Close() error {
	c.end()
	return c.Stream.Close()
}

func (c *complaining) Abort() error {
	c.end()
	return c.Stream.Abort()
}

func (c *complaining) note(err error) {
	if err != nil && !c.ending.Load() {
		c.wrote.CompareAndSwap(nil, &err)
	}
}

// end tells why writing failed, if that is all there is to tell.
func (c *complaining) end() {
	c.ending.Store(true)
	if err := c.wrote.Load(); err != nil {
		c.told.Do(func() { c.tell(*err) })
	}
}

// complaints tell people what is wrong with forwardings, once as long as it stays the same.
type complaints struct {
	errs io.Writer    // nil: nobody reads them
	log  *slog.Logger // nil: silence

	mu   sync.Mutex // guards last, and one line at a time
	last string
}

func (c *complaints) tell(f forwarding, err error) {
	var told *failure
	errors.As(aboutStream(f.peer, f.service, about(f.peer, err)), &told)
	text := fmt.Sprintf("%s: %s", f.listener.Addr(), told.text)
	if told.hint != "" {
		text += " (" + told.hint + ")"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if text != c.last {
		c.last = text
		if c.log != nil {
			c.log.Warn(text)
		}
		if c.errs != nil {
			fmt.Fprintln(c.errs, printableLines(text))
		}
	}
}
