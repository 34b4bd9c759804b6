package session

import (
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// blockSize is the memory that bytes are copied to which are too few to keep the line's memory for.
const blockSize = 4 << 10

type block [blockSize]byte

// A store keeps what has come for the streams of a session and is not read. The line's mutex guards it.
//
// Large pieces stay where the line has put them, which keeps line.Pinned bytes for each. Small ones are copied together; all are
// when the pinned memory reaches its bound. So what is kept is at most what is unread, the bound, and a block for each stream.
type store struct {
	line   *line.Line
	blocks sync.Pool
	pinned int // bytes of the line's memory that segments keep
	most   int // of pinned
}

// A segment is bytes in the line's memory, or, with a block, copied to it.
type segment struct {
	part     line.Part
	block    *block
	from, to int // in block
}

func (s *segment) bytes() []byte {
	if s.block != nil {
		return s.block[s.from:s.to]
	}
	return s.part.Bytes()
}

// A queue is what has come for a stream and is not read, in order.
type queue struct {
	segments []segment
	first    int // index of the first that is not read
	bytes    int
}

// add puts bytes behind the others.
func (q *queue) add(s *store, p line.Part) {
	n := p.Len()
	q.bytes += n
	if last := len(q.segments) - 1; last >= q.first {
		tail := &q.segments[last]
		if tail.block == nil {
			if joined, ok := tail.part.Join(p); ok {
				tail.part = joined
				return
			}
		}
	}
	if n > blockSize && s.pinned+line.Pinned <= s.most {
		s.pinned += s.line.Hold(p)
		q.push(segment{part: p})
		return
	}
	for b := p.Bytes(); len(b) > 0; {
		if last := len(q.segments) - 1; last < q.first || q.segments[last].block == nil || q.segments[last].to == blockSize {
			fresh, _ := s.blocks.Get().(*block)
			if fresh == nil {
				fresh = new(block)
			}
			q.push(segment{block: fresh})
		}
		tail := &q.segments[len(q.segments)-1]
		n := copy(tail.block[tail.to:], b)
		tail.to += n
		b = b[n:]
	}
}

func (q *queue) push(s segment) {
	if q.first > 0 && len(q.segments) == cap(q.segments) {
		kept := copy(q.segments, q.segments[q.first:])
		clear(q.segments[kept:])
		q.segments, q.first = q.segments[:kept], 0
	}
	q.segments = append(q.segments, s)
}

// ready is the next bytes. They stay in place until consume.
func (q *queue) ready() []byte {
	if q.bytes == 0 {
		return nil
	}
	return q.segments[q.first].bytes()
}

// consume takes bytes away from the beginning of ready.
func (q *queue) consume(s *store, n int) {
	q.bytes -= n
	first := &q.segments[q.first]
	if first.block != nil {
		if first.from += n; first.from == first.to {
			q.drop(s)
		}
		return
	}
	if n == first.part.Len() {
		q.drop(s)
		return
	}
	_, first.part = first.part.Split(n)
}

// drop gives back the first segment.
func (q *queue) drop(s *store) {
	first := &q.segments[q.first]
	if first.block != nil {
		s.blocks.Put(first.block)
	} else {
		s.pinned -= s.line.Release(first.part)
	}
	*first = segment{}
	if q.first++; q.first == len(q.segments) {
		q.segments, q.first = q.segments[:0], 0
		if cap(q.segments) > 64 {
			q.segments = nil
		}
	}
}

// clear gives back everything.
func (q *queue) clear(s *store) {
	for len(q.segments) > q.first {
		q.drop(s)
	}
	q.segments, q.bytes = nil, 0
}
