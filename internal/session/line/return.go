package line

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// returnAhead is how many bytes of the stream leave with the hello of a carrier that returns, before the peer has said where it is: they
// fit the window with which TCP begins (RFC 6928). What the peer has already comes twice. They leave in frames of returnPiece, each a
// record of its own, so that none waits for the end of a long one.
const (
	returnAhead = 3 * returnPiece
	returnPiece = 4 << 10
)

// CanReturn tells whether the peer takes carriers by Return.
func (l *Line) CanReturn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.returns && l.err == nil
}

// Return gives the line a carrier at both of its ends, each of which says where it is at once, and sends the first of what is due with
// that: the bytes flow on after half a round trip. Both must call it, with the same rank and name, after CanReturn has become true. What is
// written to the connection must be for the peer's eyes alone, and what is read from it must be the peer's. Return waits for the peer's
// hello. The carrier belongs to the line, also if Return fails.
func (l *Line) Return(ctx context.Context, given Carrier, name uint64) error {
	c := l.newCarrier(given, name)
	l.mu.Lock()
	if err := l.err; err != nil {
		l.mu.Unlock()
		given.Conn.Close()
		return err
	}
	first := c.firstFlight(l.hello(intentReturn, c))
	l.returning = append(l.returning, c)
	if l.active != nil { // which is late, and may yet be faster
		l.overtake(nil)
	}
	l.mu.Unlock()
	answer, err := c.swap(ctx, first)
	l.mu.Lock()
	l.returning = slices.DeleteFunc(l.returning, func(other *carrier) bool { return other == c })
	l.mu.Unlock()
	if err == nil && (answer.intent != intentReturn || answer.id != l.id || answer.carrier != name) {
		err = fmt.Errorf("%w: a returning carrier was answered with intent %d for %v", ErrProtocol, answer.intent, answer.id)
	}
	if err != nil {
		given.Conn.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.out.lost(&c.flight)
		l.wakeWriter()
		return err
	}
	return l.join(c, &answer, func() error { return nil })
}

// overtake has what left by carriers that have not returned yet sent again by one that is there. The caller holds mu.
func (l *Line) overtake(by *carrier) {
	for _, c := range l.returning {
		if c != by {
			l.out.lost(&c.flight)
		}
	}
	l.wakeWriter()
}

// firstFlight is a hello, and frames with data behind it. The caller holds mu.
func (c *carrier) firstFlight(h hello) [][]byte {
	out := &c.line.out
	flight := [][]byte{h.append(nil)}
	var parts []part
	for left := returnAhead; left > 0 && out.pending(); {
		s := out.take(&c.flight, min(left, returnPiece))
		left -= s.len()
		frame := header{kindData, s.len(), s.from}.append(nil)
		parts = out.hold(s, parts[:0])
		for _, p := range parts {
			frame = append(frame, p.bytes()...)
		}
		out.drop(parts)
		flight = append(flight, frame)
	}
	c.line.roomy()
	return flight
}

// swap sends a first flight, and reads the peer's hello meanwhile.
func (c *carrier) swap(ctx context.Context, first [][]byte) (answer hello, err error) {
	err = c.within(ctx, func() error {
		written := make(chan error, 1)
		go func() { written <- c.writeAll(first) }()
		var failed error
		if answer, failed = readHello(c.Conn); failed != nil {
			c.Conn.SetDeadline(time.Unix(1, 0)) // ends the writing
		}
		return errors.Join(failed, <-written)
	})
	return answer, err
}

// writeAll writes to the connection, in records of their own that leave at once if it can do that.
func (c *carrier) writeAll(records [][]byte) error {
	if c.corked != nil {
		c.corked.Cork()
	}
	var err error
	for _, r := range records {
		if _, err = c.Conn.Write(r); err != nil {
			break
		}
	}
	if c.corked != nil {
		if uncorked := c.corked.Uncork(); err == nil {
			err = uncorked
		}
	}
	return err
}
