package transfer

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/zeebo/blake3"
)

// reading makes pieces of all files of a source, in their order.
type reading struct {
	*sending
	ctx    context.Context
	free   chan *chunk
	out    chan<- piece
	opener *opener
}

func (r *reading) all() error {
	for i := range r.source.tree.entries {
		e := &r.source.tree.entries[i]
		var err error
		switch e.kind {
		case kindFile:
			err = r.file(i, e)
		case kindStream:
			err = r.stream(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// emit passes a piece on.
func (r *reading) emit(p piece) error {
	select {
	case r.out <- p:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// take takes a free chunk.
func (r *reading) take() (*chunk, error) {
	select {
	case c := <-r.free:
		return c, nil
	case <-r.ctx.Done():
		return nil, context.Cause(r.ctx)
	}
}

// file makes pieces of a file, from where the receiver's copy ends.
func (r *reading) file(index int, e *entry) error {
	f, err := r.opener.open(index)
	if err != nil {
		return err
	}
	defer f.Close()
	begin, err := r.begin(f, index)
	if err != nil {
		return err
	}
	r.meter.file(r.source.tree.path(index), begin.offset)
	if err := r.emit(begin); err != nil {
		return err
	}
	if err := r.content(f, index, e.size-begin.offset); err != nil {
		return err
	}
	if err := r.opener.unchanged(f, index); err != nil {
		return err
	}
	return r.emit(piece{kind: frameEnd, index: index})
}

// begin decides where to begin: where the receiver's copy ends, if that is equal so far.
func (r *reading) begin(f *os.File, index int) (piece, error) {
	first := piece{kind: frameFile, index: index}
	r.mu.Lock()
	size, some := r.haves[index]
	r.mu.Unlock()
	if !some {
		return first, nil
	}
	h := newHash()
	if err := r.hashPrefix(f, h, size); err != nil {
		return first, fmt.Errorf("%s: %w", r.source.where(index), whatFailed(err))
	}
	if err := r.await(func() bool { _, told := r.proofs[index]; return told }); err != nil {
		return first, err
	}
	r.mu.Lock()
	theirs := r.proofs[index]
	delete(r.proofs, index)
	r.mu.Unlock()
	if theirs == sumOf(h) {
		first.offset, first.prefix = size, h
		return first, nil
	}
	_, err := f.Seek(0, io.SeekStart)
	return first, err
}

// hashPrefix reads the first size bytes, and leaves f behind them.
func (r *reading) hashPrefix(f io.Reader, h *blake3.Hasher, size int64) error {
	c, err := r.take()
	if err != nil {
		return err
	}
	defer func() { r.free <- c }()
	for size > 0 && r.ctx.Err() == nil {
		room := c.room()[:min(int64(chunkSize), size)]
		if _, err := io.ReadFull(f, room); err != nil {
			return err
		}
		h.Write(room)
		size -= int64(len(room))
	}
	return context.Cause(r.ctx)
}

// content makes pieces of the next left bytes.
func (r *reading) content(f io.Reader, index int, left int64) error {
	for left > 0 {
		c, err := r.take()
		if err != nil {
			return err
		}
		n, err := io.ReadFull(f, c.room()[:min(int64(chunkSize), left)])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%s %w", r.source.where(index), ErrChanged)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.source.where(index), whatFailed(err))
		}
		c.used = n
		left -= int64(n)
		if err := r.emit(piece{kind: frameData, index: index, chunk: c}); err != nil {
			return err
		}
	}
	return nil
}

// stream makes pieces of what comes until the end.
func (r *reading) stream(index int) error {
	r.meter.file(r.source.tree.path(index), 0)
	if err := r.emit(piece{kind: frameFile, index: index}); err != nil {
		return err
	}
	for {
		c, err := r.take()
		if err != nil {
			return err
		}
		n, err := r.source.stream.Read(c.room())
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", r.source.tree.entries[index].name, err)
		}
		if c.used = n; n > 0 {
			if err := r.emit(piece{kind: frameData, index: index, chunk: c}); err != nil {
				return err
			}
		} else {
			r.free <- c
		}
		if err == io.EOF {
			return r.emit(piece{kind: frameEnd, index: index})
		}
	}
}
