package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// dialTimeout is how long a target may take to accept.
const dialTimeout = 10 * time.Second

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
	log = log.With("target", target)
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	defer listener.Close()
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("forward: accept: %w", err)
		}
		connections.Go(func() { serve(ctx, conn, target, log.With("remote", conn.RemoteAddr())) })
	}
}

// serve connects one connection to the target.
func serve(ctx context.Context, conn net.Conn, target string, log *slog.Logger) {
	dialer := net.Dialer{Timeout: dialTimeout}
	there, err := dialer.DialContext(ctx, "tcp", target)
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
