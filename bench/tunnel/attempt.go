package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// Bounds of one attempt.
const (
	// tryFor is how long a user tries to get a first byte back, from the first connect on.
	tryFor = 40 * time.Second
	// settleFor is how long after that a direct path is waited for.
	settleFor = 20 * time.Second
	// each is how long one connection may take: frp's visitor gives up after 20 s.
	each = 30 * time.Second
	// again is the time between tries.
	again = 250 * time.Millisecond
)

// much is sent to see which way bytes go.
const much = 64 << 10

// An outcome is what came of one attempt.
type outcome struct {
	err           error // it could not be tried
	worked        bool
	tries         int           // connections until one gave a byte
	first         time.Duration // from the first connect to the first bytes back
	isFirstDirect bool          // they and what followed on that connection went directly
	later         time.Duration // the same for a connection after it
	isDirect      bool          // in the end a connection's bytes go directly
	direct        time.Duration // from the first connect until they did; zero if they did at once
}

// attempt opens a tunnel and uses it. begun is called when the first connection has been tried for a while, or is over.
func (s *site) attempt(ctx context.Context, p *programs, c contestant) (o outcome) {
	if o.err = s.forget(); o.err != nil {
		return o
	}
	t, err := c.open(ctx, p, onHost(s.near), onHost(s.far))
	defer t.stop()
	s.entrance = t.entrance()
	if err != nil {
		o.err = err
		return o
	}
	began := time.Now()
	conn, err := s.firstBytes(ctx, &o)
	if err != nil {
		return o
	}
	defer conn.Close()
	o.worked, o.first = true, time.Since(began)
	if o.isFirstDirect, err = s.goesDirectly(conn); err != nil {
		return o
	}
	start := time.Now()
	second, err := s.tryOnce(ctx)
	if err != nil {
		return o
	}
	defer second.Close()
	o.later = time.Since(start)
	if o.isDirect, _ = s.goesDirectly(second); o.isDirect {
		return o
	}
	s.settle(ctx, &o, began)
	return o
}

// firstBytes connects until bytes come back.
func (s *site) firstBytes(ctx context.Context, o *outcome) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	for {
		o.tries++
		conn, err := s.tryOnce(ctx)
		if err == nil {
			return conn, nil
		}
		if err := pause(ctx, again); err != nil {
			return nil, err
		}
	}
}

// tryOnce connects, and waits for 8 bytes to come back.
func (s *site) tryOnce(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if err := exchange(conn, 8); err != nil {
		conn.Close()
		return nil, err
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	return conn, nil
}

// settle waits until the bytes of new connections go directly.
func (s *site) settle(ctx context.Context, o *outcome, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	for pause(ctx, again) == nil {
		conn, err := s.tryOnce(ctx)
		if err != nil {
			continue
		}
		o.isDirect, _ = s.goesDirectly(conn)
		conn.Close()
		if o.isDirect {
			o.direct = time.Since(began)
			return
		}
	}
}

// goesDirectly sends a little over a connection, and tells which way it took.
func (s *site) goesDirectly(conn net.Conn) (bool, error) {
	before := s.direct()
	conn.SetDeadline(time.Now().Add(each))
	err := exchange(conn, much)
	conn.SetDeadline(time.Time{})
	return s.direct()-before >= 2*much, err
}

// exchange writes n bytes, and reads as many.
func exchange(conn net.Conn, n int) error {
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, n))
		sent <- err
	}()
	_, err := io.ReadFull(conn, make([]byte, n))
	if err != nil {
		conn.Close() // or the writer might wait forever
	}
	return errors.Join(err, <-sent)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
