package line

import "sync"

// A Layer is a protocol that runs inside a line, in the place of Read and Write. Bytes that come go to it where they lie, by the goroutine
// that took them from the carrier, and it writes into the memory that the carriers send from.
//
// One mutex, Line.Mutex, guards line and layer. The line calls the layer with it held, so none of these methods may wait, or call a
// method of the line that takes it.
type Layer interface {
	// Arrived takes the next bytes of the stream. An error ends the line.
	Arrived(Part) error
	// Rested is called when the carrier has nothing more at hand: what waits for bytes is to be woken now.
	Rested()
	// Roomy is called when there may be more room than before.
	Roomy()
	// Over is called once when the line ends.
	Over(err error)
}

// A Part is bytes of the stream in the line's memory.
type Part part

// Bytes are the bytes. They may be looked at within Arrived, and between Line.Hold and Line.Release.
func (p Part) Bytes() []byte { return part(p).bytes() }

// Len is their number.
func (p Part) Len() int { return p.to - p.from }

// Split divides a part behind its first n bytes.
func (p Part) Split(n int) (first, rest Part) {
	first, rest = p, p
	first.to = p.from + n
	rest.from = first.to
	return first, rest
}

// Join makes one part of two, if they lie one after the other.
func (p Part) Join(next Part) (joined Part, ok bool) {
	if p.chunk != next.chunk || p.to != next.from {
		return p, false
	}
	p.to = next.to
	return p, true
}

// Pinned is the most memory that a part that is held keeps from being used again.
const Pinned = chunkSize

// MaxSpace is the most that can be reserved at once: a power of two, and a header in front of it.
const MaxSpace = chunkSize + 64

// Mutex guards the line and its layer.
func (l *Line) Mutex() *sync.Mutex { return &l.mu }

// Run gives the line its layer, and the layer what has come. Read and Write must not be used. The caller holds the mutex.
func (l *Line) Run(layer Layer) {
	l.layer = layer
	if l.err != nil {
		layer.Over(l.err)
		return
	}
	l.deliver()
	layer.Rested()
}

// deliver hands what has come in order to the layer. An error of it ends the line, of which the peer is told in order. The caller
// holds mu.
func (l *Line) deliver() {
	for l.err == nil && l.in.read < l.in.next {
		p := l.in.pieces[0].part
		if err := l.layer.Arrived(Part(p)); err != nil {
			l.end(err)
			return
		}
		l.in.consume(p.to - p.from)
	}
}

// Hold keeps the memory of a part in place until Release. It returns how much memory that keeps from being used again, which other parts
// that are held did not. The caller holds the mutex.
func (l *Line) Hold(p Part) (pinned int) {
	if p.chunk.uses++; p.chunk.held == 0 {
		pinned = Pinned
	}
	p.chunk.held++
	return pinned
}

// Release gives back what was held, and returns how much memory may be used again. The caller holds the mutex.
func (l *Line) Release(p Part) (freed int) {
	if p.chunk.held--; p.chunk.held == 0 {
		freed = Pinned
	}
	l.pool.release(p.chunk)
	if p.chunk.uses == 1 {
		for _, c := range l.carriers {
			c.takeBack()
		}
	}
	return freed
}

// Room is how many bytes the layer should write at most now. The caller holds the mutex.
func (l *Line) Room() int { return l.out.room() }

// Urgent is how many bytes of what is small and in a hurry there is room for, which is some beyond Room. The caller holds the mutex.
func (l *Line) Urgent() int {
	o := &l.out
	return max(0, urgentRoom+min(o.buffer-int(o.taken-o.acked), o.ahead-int(o.taken-o.sent)))
}

// Reserve gives the next n bytes of the stream, 1 to MaxSpace, to be filled with the mutex held or not. What is reserved later is not
// sent before. The caller holds the mutex.
func (l *Line) Reserve(n int) Space { return l.out.reserve(n) }

// Commit makes a Space, as Reserve gave it, part of the stream. The caller holds the mutex. With more, it will soon commit again, or else
// Send: few bytes wait for that.
func (l *Line) Commit(s Space, more bool) {
	l.out.commit(s)
	if !more || l.out.wrote-l.out.sent >= batch/2 {
		l.wakeWriter()
	}
}

// Send has what was committed sent. The caller holds the mutex.
func (l *Line) Send() { l.wakeWriter() }

// End ends the line as Fail does. The caller holds the mutex.
func (l *Line) End(err error) { l.end(err) }

// roomy tells writers that there may be room. The caller holds mu.
func (l *Line) roomy() {
	l.writable.Signal()
	if l.layer != nil && l.err == nil {
		l.layer.Roomy()
	}
}

// rested has the layer wake who waits.
func (l *Line) rested() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.layer != nil {
		l.layer.Rested()
	}
}
