package transfer

import (
	"context"
	"sync"

	"github.com/zeebo/blake3"
)

// A piece is a step of sending a file: its beginning, some content, or its end.
type piece struct {
	kind   frameKind // frameFile, frameData or frameEnd
	index  int
	offset int64          // of a beginning
	prefix *blake3.Hasher // of a beginning that is not at 0: has what is before
	chunk  *chunk         // of content
	sum    sum            // of an end
}

// content reads, hashes and writes all files, each step beside the others.
func (s *sending) content() error {
	ctx, cancel := context.WithCancelCause(context.Background()) // of the steps: a Send that is called off shows as a connection that fails
	var steps sync.WaitGroup
	defer steps.Wait()
	defer s.source.interrupt()
	defer cancel(nil)
	free := make(chan *chunk, ahead)
	for range ahead {
		free <- new(chunk)
	}
	read, hashed := make(chan piece, ahead), make(chan piece, ahead)
	steps.Go(func() {
		defer close(read)
		r := reading{sending: s, ctx: ctx, free: free, out: read, opener: newOpener(s.source)}
		defer r.opener.close()
		if err := r.all(); err != nil {
			cancel(err)
		}
	})
	steps.Go(func() {
		defer close(hashed)
		hash(ctx, read, hashed)
	})
	for {
		p, more := next(hashed, s.out.flush)
		if !more {
			return context.Cause(ctx)
		}
		if err := s.write(p); err != nil {
			return cut(err)
		}
		if p.chunk != nil {
			free <- p.chunk
		}
	}
}

// next takes the next piece, and flushes first if there is none yet.
func next(from <-chan piece, flush func() error) (p piece, more bool) {
	select {
	case p, more = <-from:
		return p, more
	default:
		flush() // if it fails, so does the next write
		p, more = <-from
		return p, more
	}
}

func (s *sending) write(p piece) error {
	switch p.kind {
	case frameFile:
		return s.out.write(frameFile, appendHave(nil, have{p.index, p.offset}))
	case frameData:
		err := s.out.data(p.chunk)
		s.meter.bytes.Add(int64(p.chunk.used))
		return err
	}
	s.meter.files.Add(1)
	return s.out.write(frameEnd, p.sum[:])
}

// hash puts the hash of each file into its end.
func hash(ctx context.Context, in <-chan piece, out chan<- piece) {
	var h *blake3.Hasher
	fresh := newHash()
	for p := range in {
		switch p.kind {
		case frameFile:
			if h = p.prefix; h == nil {
				h = fresh
				h.Reset()
			}
		case frameData:
			h.Write(p.chunk.content())
		case frameEnd:
			p.sum = sumOf(h)
		}
		select {
		case out <- p:
		case <-ctx.Done():
			return
		}
	}
}
