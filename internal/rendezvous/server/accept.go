package server

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
	// acceptTell is how often a failing listener is told of in the log: where descriptors run out, connections fail by the hundred.
	acceptTell = 10 * time.Second
)

// accept serves the connections of l, each in a goroutine that it waits for. A slot is taken before a connection is, so that
// what is too much stays in the kernel's queue. An error of Accept, as when descriptors run out, is waited out.
func (s *Server) accept(ctx context.Context, l net.Listener, slots chan struct{}, admit func(net.Conn) bool, serve func(context.Context, net.Conn)) {
	var serving sync.WaitGroup
	defer serving.Wait()
	pause := acceptPauseMin
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
		}
		conn, err := l.Accept()
		if err != nil {
			<-slots
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			count(s.metrics.accepts, "accept_error")
			if now := time.Now(); now.Sub(told) >= acceptTell {
				told = now
				s.log.Warn("accept failed, trying on", "listener", l.Addr(), "err", err)
			}
			if !wait(ctx, pause) {
				return
			}
			pause = min(2*pause, acceptPauseMax)
			continue
		}
		pause = acceptPauseMin
		if !admit(conn) {
			<-slots
			turnAway(conn)
			continue
		}
		serving.Go(func() {
			defer func() { <-slots }()
			serve(ctx, conn)
		})
	}
}

func (s *Server) admitMain(conn net.Conn) bool {
	addr := addrPort(conn.RemoteAddr()).Addr()
	if !s.connections.enter(addr) {
		count(s.metrics.accepts, "address_limit")
		return false
	}
	if !s.handshaking.enter(addr) {
		s.connections.leave(addr)
		count(s.metrics.accepts, "address_limit")
		return false
	}
	count(s.metrics.accepts, "accepted")
	return true
}

func (s *Server) admitHole(conn net.Conn) bool {
	if !s.holes.enter(addrPort(conn.RemoteAddr()).Addr()) {
		count(s.metrics.holes, "address_limit")
		return false
	}
	return true
}

// turnAway closes with RST, which leaves nothing behind here.
func turnAway(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// wait tells whether it lasted for d, and not only until ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
