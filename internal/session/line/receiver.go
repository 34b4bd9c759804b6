package line

import (
	"fmt"
	"slices"
)

// maxPieces bounds how scattered the bytes may come. Carriers beside the first take 32 KiB or more at once, which may lie in two
// chunks: 2,048 for a window of 32 MiB.
const maxPieces = 4096

// The pieces may hold so many windows of memory, and leastHeld at any rate. Those of a peer that keeps the rules take two at
// most, since each carrier's lie side by side in its chunks; but a byte here and a byte there would take a chunk each.
const (
	maxHeld   = 4
	leastHeld = 64 << 20
)

// A receiver is one direction of a line at the end that reads. It puts what comes in order, once. It knows nothing of
// connections and time; its caller serialises the calls.
//
//	read <= next <= every piece beyond a gap < offered
type receiver struct {
	pool    *pool
	pieces  []piece // in order, disjoint
	read    uint64  // before it everything was read
	next    uint64  // before it everything has come
	offered uint64  // the limit that the peer was told last
	window  int
	held    int // chunks that pieces lie in
}

// A piece is bytes that have come and were not read.
type piece struct {
	offset uint64
	part
}

func (p piece) end() uint64 { return p.offset + uint64(p.to-p.from) }

// limit is the offset from which on no byte is taken now.
func (r *receiver) limit() uint64 { return r.read + uint64(r.window) }

// accept takes bytes that have come, and lie in a part of a chunk whose memory the receiver keeps for as long as it needs.
func (r *receiver) accept(offset uint64, in part) error {
	end := offset + uint64(in.to-in.from)
	if end > r.offered {
		return fmt.Errorf("%w: data up to %d, and the limit is %d", ErrProtocol, end, r.offered)
	}
	if end <= r.next {
		return nil // has come before
	}
	if offset < r.next {
		in.from += int(r.next - offset)
		offset = r.next
	}
	n := len(r.pieces)
	if n == 0 || r.pieces[n-1].end() <= offset { // the usual case: behind all others
		r.insert(n, piece{offset, in})
	} else {
		r.fill(offset, in)
	}
	for _, p := range r.pieces[r.firstBeyond(r.next):] {
		if p.offset > r.next {
			break
		}
		r.next = p.end()
	}
	if len(r.pieces) > maxPieces {
		return fmt.Errorf("%w: data in more than %d pieces", ErrProtocol, maxPieces)
	}
	if r.held*chunkSize > max(maxHeld*r.window, leastHeld) {
		return fmt.Errorf("%w: data so scattered that it takes %d bytes", ErrProtocol, r.held*chunkSize)
	}
	return nil
}

// firstBeyond is the index of the first piece that ends behind an offset.
func (r *receiver) firstBeyond(offset uint64) int {
	if n := len(r.pieces); n > 0 && r.pieces[n-1].offset <= offset { // the usual case
		if r.pieces[n-1].end() > offset {
			return n - 1
		}
		return n
	}
	i, _ := slices.BinarySearchFunc(r.pieces, offset, func(p piece, at uint64) int {
		if p.end() <= at {
			return -1
		}
		return 1
	})
	return i
}

// fill puts in what is missing between the pieces.
func (r *receiver) fill(offset uint64, in part) {
	for i := r.firstBeyond(offset); in.from < in.to; i++ {
		gap := in.to - in.from
		if i < len(r.pieces) {
			p := r.pieces[i]
			if p.offset <= offset { // covers the beginning
				if p.end() <= offset {
					continue
				}
				skip := min(in.to-in.from, int(p.end()-offset))
				in.from += skip
				offset += uint64(skip)
				continue
			}
			gap = min(gap, int(p.offset-offset))
		}
		before := len(r.pieces)
		r.insert(i, piece{offset, part{in.chunk, in.from, in.from + gap}})
		in.from += gap
		offset += uint64(gap)
		if len(r.pieces) == before { // joined to its neighbour
			i--
		}
	}
}

// insert puts a piece at an index, or joins it to the one before if both lie one after the other in memory, too.
func (r *receiver) insert(i int, p piece) {
	if i > 0 {
		last := &r.pieces[i-1]
		if last.chunk == p.chunk && last.to == p.from && last.end() == p.offset {
			last.to = p.to
			return
		}
	}
	p.chunk.uses++
	if p.chunk.pieces++; p.chunk.pieces == 1 {
		r.held++
	}
	r.pieces = slices.Insert(r.pieces, i, p)
}

// ready is the next bytes to read; nothing if they have not come. They stay in place until consume.
func (r *receiver) ready() []byte {
	if r.read == r.next {
		return nil
	}
	return r.pieces[0].bytes()
}

// consume takes bytes away from the beginning of ready.
func (r *receiver) consume(n int) {
	r.read += uint64(n)
	first := &r.pieces[0]
	first.offset += uint64(n)
	if first.from += n; first.from == first.to {
		if first.chunk.pieces--; first.chunk.pieces == 0 {
			r.held--
		}
		r.pool.release(first.chunk)
		r.pieces = slices.Delete(r.pieces, 0, 1)
	}
}
