package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	bufferSize = 64 << 10
	// farewell is how long an end that takes no more bytes may still have something to say, such as the error page of a
	// server that closes in the middle of an upload.
	farewell = time.Second
)

// Counts are the bytes that a Splice carried.
type Counts struct{ AtoB, BtoA int64 }

// Splice copies from a to b and from b to a until both have ended, closes both, and tells how many bytes the other end
// took. The end of input on one side is passed on with CloseWrite, and the other direction goes on.
//
// When reading fails, both ends are aborted at once; when writing fails, as soon as that end has nothing more to say, at
// most a second later. Splice returns the failure that came first; what follows from its own closing is no error.
// To stop a Splice, close a or b: it then returns an error that wraps [net.ErrClosed].
func Splice(a, b io.ReadWriteCloser) (Counts, error) {
	forth, back := make(chan copied, 1), make(chan copied, 1)
	go func() { forth <- pour(b, a) }()
	go func() { back <- pour(a, b) }()

	var there, here copied
	var first error
	select {
	case there = <-forth:
		first = there.err
		here = await(back, there, a, b)
	case here = <-back:
		first = here.err
		there = await(forth, here, a, b)
	}
	if first == nil && (there.err != nil || here.err != nil) {
		first = errors.Join(there.err, here.err)
		abort(a)
		abort(b)
	}
	if closing := errors.Join(a.Close(), b.Close()); first == nil && !errors.Is(closing, net.ErrClosed) {
		first = closing
	}
	return Counts{AtoB: there.bytes, BtoA: here.bytes}, first
}

// copied is how one direction of a Splice ended.
type copied struct {
	bytes    int64
	err      error // nil: the source ended in order
	writable bool  // the failure was not the destination's
}

// await waits for the second direction to end, which a failure of the first one brings about.
func await(second chan copied, first copied, a, b io.ReadWriteCloser) copied {
	if first.err == nil {
		return <-second
	}
	if !first.writable {
		timer := time.NewTimer(farewell)
		defer timer.Stop()
		select {
		case last := <-second:
			abort(a)
			abort(b)
			return last
		case <-timer.C:
		}
	}
	abort(a)
	abort(b)
	return <-second
}

// pour copies from one end to the other until the source ends, and passes the end on.
func pour(to io.Writer, from io.Reader) copied {
	buffer := make([]byte, bufferSize)
	var done int64
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			wrote, err := to.Write(buffer[:n])
			done += int64(wrote)
			if err != nil {
				return copied{done, fmt.Errorf("forward: write: %w", err), false}
			}
		}
		switch {
		case err == io.EOF:
			if err := closeWrite(to); err != nil {
				return copied{done, fmt.Errorf("forward: pass on the end: %w", err), false}
			}
			return copied{done, nil, true}
		case err != nil:
			return copied{done, fmt.Errorf("forward: read: %w", err), true}
		}
	}
}

func closeWrite(w io.Writer) error {
	switch end := w.(type) {
	case interface{ CloseWrite() error }:
		return end.CloseWrite()
	case io.Closer:
		return end.Close()
	}
	return nil
}

// abort ends a connection so that the other side can't take it for complete.
func abort(c io.Closer) {
	switch end := c.(type) {
	case interface{ Abort() error }:
		end.Abort()
	case interface{ SetLinger(int) error }: // TCP: with nothing to linger for, Close sends a reset
		end.SetLinger(0)
		c.Close()
	default:
		c.Close()
	}
}
