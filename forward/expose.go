package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// dialTimeout is how long a target may take to accept.
	dialTimeout = 10 * time.Second

	// After a failed Accept of a listener that lives on (no file descriptors are left, say), there is a pause, which doubles.
	firstPause = 5 * time.Millisecond
	mostPause  = time.Second
)

// Expose serves a listener: for each connection that it accepts it dials the TCP target, HOST:PORT, and splices the two.
// A connection whose target can't be reached is refused, or aborted.
//
// Expose returns when the listener fails, with its error, or when ctx is done, with nil. It closes the listener, and before
// it returns all connections have ended: when ctx is done they are aborted, otherwise they run to their end.
// It logs each connection; a nil log means silence.
func Expose(ctx context.Context, listener net.Listener, target string, log *slog.Logger) error {
	if _, _, err := net.SplitHostPort(target); err != nil {
		listener.Close()
		return fmt.Errorf("forward: target: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	open := func(ctx context.Context) (io.ReadWriteCloser, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		there, err := dialer.DialContext(ctx, "tcp", target)
		if err != nil {
			return nil, err // not there: a nil net.Conn in another interface is not nil
		}
		return there, nil
	}
	return Each(ctx, listener, open, log.With("target", target))
}

// Each serves a listener: for each connection that it accepts it opens another, and splices the two. A connection for which
// none can be opened is refused, or aborted. It returns, and logs, as [Expose] does.
func Each(ctx context.Context, listener net.Listener, open func(context.Context) (io.ReadWriteCloser, error), log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return accept(ctx, listener, func(conn net.Conn) { serve(ctx, conn, open, log.With("remote", conn.RemoteAddr())) })
}

// accept serves each connection in a goroutine, and waits for them.
func accept(ctx context.Context, listener net.Listener, serve func(net.Conn)) error {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	defer listener.Close()
	var connections sync.WaitGroup
	defer connections.Wait()
	for pause := firstPause; ; {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			pause = firstPause
			connections.Go(func() { serve(conn) })
		case ctx.Err() != nil:
			return nil
		case !passes(err):
			return fmt.Errorf("forward: accept: %w", err)
		default:
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			pause = min(2*pause, mostPause)
		}
	}
}

// passes tells whether a later Accept may succeed.
func passes(err error) bool {
	var temporary interface{ Temporary() bool } // deprecated for what it means elsewhere; of Accept it means this
	return errors.As(err, &temporary) && temporary.Temporary()
}

// serve opens the other connection for one.
func serve(ctx context.Context, conn net.Conn, open func(context.Context) (io.ReadWriteCloser, error), log *slog.Logger) {
	there, err := open(ctx)
	if err != nil {
		log.Warn("target can't be reached", "err", err)
		refuse(conn, reason(err))
		return
	}
	stop := context.AfterFunc(ctx, func() {
		abort(conn)
		abort(there)
	})
	defer stop()
	counts, err := Splice(conn, there)
	log = log.With("bytes_in", counts.AtoB, "bytes_out", counts.BtoA)
	if err != nil {
		log.Info("connection broke", "err", err)
	} else {
		log.Info("connection ended")
	}
}

// refuse ends a connection that is not served, with the reason if it can be told.
func refuse(conn net.Conn, reason string) {
	if c, ok := conn.(interface{ Refuse(reason string) error }); ok {
		c.Refuse(reason)
		return
	}
	abort(conn)
}

// reason is what a peer may know about a target that can't be reached: not its address.
func reason(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "the target does not answer"
	}
	return "the target can't be reached"
}

// Only passes on the connections of a listener that are wanted, and refuses the others.
func Only(listener net.Listener, wanted func(net.Conn) bool) net.Listener {
	return only{listener, wanted}
}

type only struct {
	net.Listener
	wanted func(net.Conn) bool
}

func (o only) Accept() (net.Conn, error) {
	for {
		conn, err := o.Listener.Accept()
		if err != nil || o.wanted(conn) {
			return conn, err
		}
		refuse(conn, "it is not for this peer")
	}
}
