package line

import "sync"

// chunkSize is the piece in which memory is taken and given back: four TLS records.
const chunkSize = 64 << 10

// recordSize is the content of a full TLS record, and spare what lies behind it. A sender has a gap of spare bytes behind each record of
// a chunk, and the mark in it; a receiver's chunk is in one piece, and has some behind its end: see sealing and filling.
const (
	recordSize = 16 << 10
	spare      = 64
)

// dataMark is the last byte of a TLS record with data (RFC 8446, section 5.2).
const dataMark = 23

// A chunk is memory with a count of its users.
type chunk struct {
	data   [chunkSize / recordSize * (recordSize + spare)]byte
	uses   int // guarded by the line's mutex
	held   int // how many of them the layer's: see Line.Hold
	pieces int // of a receiver, that lie in it
}

// divide makes a chunk a sender's.
func (c *chunk) divide() {
	for i := recordSize; i < len(c.data); i += recordSize + spare {
		c.data[i] = dataMark
	}
}

// record is the bytes of a chunk that was divided, from the n-th up to the end of the record that it lies in.
func (c *chunk) record(n int) part {
	start := n / recordSize * (recordSize + spare)
	return part{c, start + n%recordSize, start + recordSize}
}

// A part is a piece of a chunk.
type part struct {
	chunk    *chunk
	from, to int
}

func (p part) bytes() []byte { return p.chunk.data[p.from:p.to] }

// marked is bytes of a chunk that was divided. If they have a capacity beyond their length, the mark lies there.
func (p part) marked() []byte {
	if p.to%(recordSize+spare) == recordSize {
		return p.chunk.data[p.from : p.to : p.to+1]
	}
	return p.chunk.data[p.from:p.to:p.to]
}

// A pool gives chunks, and takes back those that nobody uses. What lies in it goes to the garbage collector.
type pool struct{ chunks sync.Pool }

func (p *pool) get() *chunk {
	c, _ := p.chunks.Get().(*chunk)
	if c == nil {
		c = new(chunk)
	}
	c.uses = 1
	return c
}

func (p *pool) release(c *chunk) {
	if c.uses--; c.uses == 0 {
		p.chunks.Put(c)
	}
}
