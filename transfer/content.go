package transfer

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/zeebo/blake3"
)

// writers is how many files are written at a time: one can be made while another is filled. More than two gain nothing, as
// file systems make files of one directory one after the other.
const writers = 2

// content takes the content of all files.
func (r *receiving) content() error {
	haves, complete, err := r.store.prepare()
	if err != nil || complete {
		return local(err)
	}
	p := &proving{receiving: r, claims: make(map[int]*claim, len(haves))}
	if err := p.tell(haves); err != nil {
		return err
	}
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer p.stop()
	p.stopped = make(chan struct{})
	tasks.Go(func() { p.prove(haves) })
	r.Meter.start()

	jobs := make(chan *job)
	w := &writing{receiving: r, proving: p, free: make(chan *chunk, ahead), ended: make([]bool, len(r.tree.entries))}
	for range ahead {
		w.free <- new(chunk)
	}
	var workers sync.WaitGroup
	for range writers {
		workers.Go(func() {
			h := newHash()
			for j := range jobs {
				w.do(j, h)
			}
		})
	}
	err = w.dispatch(jobs)
	close(jobs)
	workers.Wait()
	r.mu.Lock()
	if r.failure != nil {
		err = r.failure
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return w.all()
}

// A job is one file's content, on its way to the worker that writes it.
type job struct {
	index  int
	offset int64
	chunks chan *chunk // closed behind the last; without a nil at the end, the file was cut off
	sum    sum         // set before the nil is sent
}

// writing distributes content to workers.
type writing struct {
	*receiving
	proving *proving
	free    chan *chunk
	ended   []bool // of entries: all content was seen; only dispatch looks at it
}

// dispatch reads frames until the sender has sent all.
func (w *writing) dispatch(jobs chan<- *job) (err error) {
	var current *job
	defer func() {
		if current != nil {
			close(current.chunks)
		}
	}()
	for {
		kind, length, err := w.in.next()
		if err != nil {
			return err
		}
		if kind == frameData {
			if current == nil {
				return fmt.Errorf("%w: content of no file", ErrProtocol)
			}
			c := <-w.free
			if err := w.in.data(c, length); err != nil {
				w.free <- c
				return err
			}
			current.chunks <- c
			continue
		}
		data, err := w.in.rest(length)
		if err != nil {
			return err
		}
		switch {
		case kind == frameFile && current == nil:
			if current, err = w.begin(data); err != nil {
				return err
			}
			jobs <- current
		case kind == frameEnd && current != nil && len(data) == hashSize:
			current.sum = sum(data)
			current.chunks <- nil
			close(current.chunks)
			current = nil
		case kind == frameSent && current == nil:
			return nil
		case kind == frameFailed:
			return parseFailure(data)
		default:
			return fmt.Errorf("%w: a frame of kind %d among content", ErrProtocol, kind)
		}
	}
}

// begin makes the job of a file that begins.
func (w *writing) begin(data []byte) (*job, error) {
	b := body{left: data}
	at := parseHave(&b)
	if err := b.done("the beginning of a file"); err != nil {
		return nil, err
	}
	if at.index >= len(w.tree.entries) || !w.tree.entries[at.index].content() || w.ended[at.index] {
		return nil, fmt.Errorf("%w: content of what is no file, or twice", ErrProtocol)
	}
	if at.size > 0 && !w.proving.claimed(at) {
		return nil, fmt.Errorf("%w: a file that goes on where it never was", ErrProtocol)
	}
	w.ended[at.index] = true
	w.Meter.file(w.tree.path(at.index), at.size)
	return &job{index: at.index, offset: at.size, chunks: make(chan *chunk, 4)}, nil
}

// all tells whether every file has come.
func (w *writing) all() error {
	for i := range w.tree.entries {
		if w.tree.entries[i].content() && !w.ended[i] {
			return fmt.Errorf("%w: %q never came", ErrProtocol, shorten(w.tree.path(i)))
		}
	}
	return nil
}

// do writes a file. After a failure it takes the rest of the content all the same, so that nobody waits for it.
func (w *writing) do(j *job, h *blake3.Hasher) {
	if err := w.receive(j, h); err != nil && err != errCut {
		w.fail(err)
	}
	for c := range j.chunks {
		if c != nil {
			w.free <- c
		}
	}
}

var errCut = errors.New("the file is not complete") // which whoever reads the connection knows better

// receive writes a file, and h is for hashing it.
func (w *writing) receive(j *job, h *blake3.Hasher) error {
	h, before, err := w.proving.hashed(j.index, j.offset, h)
	if err != nil {
		return err
	}
	f, err := w.store.create(j.index, j.offset)
	if err != nil {
		return w.about(j, err)
	}
	if err := w.copy(f, h, j); err != nil {
		f.finish(false)
		return err
	}
	got := sumOf(h)
	if before != (sum{}) {
		got = before
	}
	if got != j.sum {
		f.finish(false)
		return fmt.Errorf("%q: %w", shorten(w.tree.path(j.index)), ErrCorrupt)
	}
	w.Meter.files.Add(1)
	if err := f.finish(true); err != nil {
		return w.about(j, err)
	}
	return nil
}

// copy writes and hashes the content, all of which must come.
func (w *writing) copy(f io.Writer, h *blake3.Hasher, j *job) error {
	e := &w.tree.entries[j.index]
	at := j.offset
	for c := range j.chunks {
		if c == nil {
			if e.kind == kindFile && at != e.size {
				return fmt.Errorf("%w: less content than %q has", ErrProtocol, shorten(e.name))
			}
			return nil
		}
		if at += int64(c.used); e.kind == kindFile && at > e.size {
			w.free <- c
			return fmt.Errorf("%w: more content than %q has", ErrProtocol, shorten(e.name))
		}
		err := writeAndHash(f, h, c)
		w.Meter.bytes.Add(int64(c.used))
		w.free <- c
		if err != nil {
			return w.about(j, err)
		}
	}
	return errCut
}

// about says which file an error is about.
func (w *writing) about(j *job, err error) error {
	return fmt.Errorf("%q: %w", shorten(w.tree.path(j.index)), local(whatFailed(err)))
}

// writeAndHash does both, at the same time if it is worth it.
func writeAndHash(f io.Writer, h *blake3.Hasher, c *chunk) error {
	if c.used < chunkSize/4 {
		h.Write(c.content())
		_, err := f.Write(c.content())
		return err
	}
	var hashing sync.WaitGroup
	hashing.Go(func() { h.Write(c.content()) })
	_, err := f.Write(c.content())
	hashing.Wait()
	return err
}
