package line

import "sync"

// chunkSize is the piece in which memory is taken and given back: four TLS records.
const chunkSize = 64 << 10

// spare is what a record needs to be opened in place behind its content: see filling.
const spare = 64

// A chunk is memory with a count of its users.
type chunk struct {
	data   [chunkSize + spare]byte
	uses   int // guarded by the line's mutex
	held   int // how many of them the layer's: see Line.Hold
	pieces int // of a receiver, that lie in it
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
