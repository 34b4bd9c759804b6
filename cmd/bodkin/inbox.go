package main

import (
	"context"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/transfer"
)

const (
	// maxPending is how many streams may wait while another is served.
	maxPending = 8
	// standstill is how long a transfer must not have moved for another stream of the same peer to take its place.
	standstill  = time.Second
	lookAtMeter = standstill / 4
	// pipeStandstill is that of what comes from a pipe, which pauses when the program in front of it does, and cannot go on in another stream.
	pipeStandstill = 30 * time.Second
)

// standsStill tells whether a transfer that has not moved since a time gives way to another stream of its peer.
func standsStill(now transfer.Reading, since time.Time) bool {
	if now.Offer.Stream {
		return time.Since(since) > pipeStandstill
	}
	return time.Since(since) > standstill
}

// An inbox takes the streams of a listener, also while one of them is served: a peer whose process was killed comes back with a
// new stream, while the old one waits for a path.
type inbox struct {
	listener control.Listener
	streams  chan control.Stream
	failed   chan struct{} // closed when no more come; err is set then
	err      error
	accept   sync.WaitGroup
	pending  []control.Stream // only of whoever calls next and serve
}

func newInbox(l control.Listener) *inbox {
	in := &inbox{listener: l, streams: make(chan control.Stream), failed: make(chan struct{})}
	in.accept.Go(func() {
		defer close(in.failed)
		for {
			stream, err := l.Accept()
			if err != nil {
				in.err = err
				return
			}
			in.streams <- stream
		}
	})
	return in
}

// close ends it, and refuses those who wait.
func (in *inbox) close() {
	in.listener.Close()
	for open := true; open; {
		select {
		case stream := <-in.streams:
			in.pending = append(in.pending, stream)
		case <-in.failed:
			open = false
		}
	}
	in.accept.Wait()
	for _, stream := range in.pending {
		stream.Refuse("nobody listens any more")
	}
	in.pending = nil
}

// next waits for a stream until ctx ends.
func (in *inbox) next(ctx context.Context) (control.Stream, error) {
	if len(in.pending) > 0 {
		stream := in.pending[0]
		in.pending = in.pending[1:]
		return stream, nil
	}
	select {
	case stream := <-in.streams:
		return stream, nil
	case <-in.failed:
		return nil, in.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// serve calls transfer, which ends with stream. If the transfer stands still and its peer has come with another stream, the
// first one is cut.
func (in *inbox) serve(stream control.Stream, meter *transfer.Meter, transfer func() error) error {
	done := make(chan error, 1)
	go func() { done <- transfer() }()
	look := time.NewTicker(lookAtMeter)
	defer look.Stop()
	last, since := meter.Read(), time.Now()
	for {
		select {
		case err := <-done:
			return err
		case other := <-in.streams:
			if len(in.pending) == maxPending {
				other.Refuse("too many are waiting")
				continue
			}
			in.pending = append(in.pending, other)
		case <-look.C:
			now := meter.Read()
			if now.Bytes != last.Bytes || now.Files != last.Files || now.Started != last.Started {
				last, since = now, time.Now()
			}
			if standsStill(now, since) && in.hasFrom(stream) {
				stream.Abort()
			}
		}
	}
}

// hasFrom tells whether the peer of a stream waits with another.
func (in *inbox) hasFrom(stream control.Stream) bool {
	for _, other := range in.pending {
		if other.Peer() == stream.Peer() {
			return true
		}
	}
	return false
}
