package line

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var modelSteps = flag.Int("line.steps", 60_000, "steps of each run of the model")

// pattern is the reference: what the byte at an offset of the stream is.
func pattern(offset uint64) byte {
	x := offset * 0x9e3779b97f4a7c15
	return byte(x>>56) ^ byte(offset)
}

// A modelFrame is data on its way.
type modelFrame struct {
	offset uint64
	data   []byte
}

// A modelCarrier is a queue that keeps its order for as long as it lives.
type modelCarrier struct {
	flight flight
	meter  meter
	stuck  bool
	came   uint64 // bytes that the receiver has by it
	queue  []modelFrame
	slow   int // a frame gets through one time in so many
}

// A model is one direction of a line: both machines, carriers between them, and acknowledgments that are late, lost and overtake
// each other.
type model struct {
	t        *testing.T
	random   *rand.Rand
	pool     pool
	out      sender
	in       receiver
	carriers []*modelCarrier
	acks     [][2]uint64
	checked  uint64 // bytes that were read and compared
	died     int
	switched int
	stood    int // carriers that stood still, so that what was on them went by others
	now      time.Time
	share    bool // carriers take turns as a line lets them, not at random
}

// TestModel plays random deaths, delays, switches and reorderings against the reference, which is the stream itself: byte by
// byte what is read must be what was written, and no bound may be passed. With -line.steps it goes on for longer.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 1))
		m := &model{t: t, random: random, now: time.Unix(1e9, 0), share: seed%2 == 0}
		window := chunkSize << random.IntN(6)
		m.out = sender{pool: &m.pool, buffer: chunkSize << random.IntN(6), ahead: chunkSize << random.IntN(4), limit: firstLimit}
		m.in = receiver{pool: &m.pool, window: max(window, firstLimit), offered: uint64(max(window, firstLimit))}
		for i := range *modelSteps {
			m.step()
			m.bounds()
			if i%64 == 0 {
				m.accounts()
			}
			if t.Failed() {
				t.Fatalf("seed %d, after %d bytes", seed, m.checked)
			}
		}
		m.finish()
		t.Logf("%d bytes in order through %d carriers that died, %d that stood still and %d switches; %d were sent again",
			m.checked, m.died, m.stood, m.switched, m.out.repeated)
		if m.died == 0 || m.stood == 0 || m.switched == 0 || m.out.repeated == 0 {
			t.Error("the model did not try what it is for")
		}
	}
}

func (m *model) step() {
	m.now = m.now.Add(time.Duration(m.random.IntN(2_000_000)))
	switch m.random.IntN(14) {
	case 0, 1, 2:
		m.write(1 + m.random.IntN(1<<m.random.IntN(18)))
	case 3, 4:
		m.send()
	case 5, 6, 7:
		m.deliver()
	case 8, 9:
		m.read(1 + m.random.IntN(1<<m.random.IntN(18)))
	case 10:
		m.acks = append(m.acks, m.word())
		if i := m.random.IntN(len(m.acks)); m.random.IntN(4) > 0 { // else it is lost or late
			m.ack(m.acks[i])
			m.acks = m.acks[:0]
		}
	case 11:
		m.fault()
	case 12:
		m.tell()
	case 13:
		m.rescue()
	}
}

// tell lets the sender hear how much has come by a carrier, at once or as it was a while ago.
func (m *model) tell() {
	if len(m.carriers) == 0 {
		return
	}
	c := m.carriers[m.random.IntN(len(m.carriers))]
	came := c.came
	if m.random.IntN(3) == 0 {
		came = uint64(m.random.Int64N(int64(came) + 1))
	}
	if came <= c.flight.came {
		return
	}
	if err := m.out.told(&c.flight, came); err != nil {
		m.t.Error(err)
	}
	c.meter.arrived(m.now, &c.flight, m.share)
	c.stuck = false
}

// rescue has sent again what is on a carrier that stands still.
func (m *model) rescue() {
	for _, c := range m.carriers {
		if len(m.carriers) > 1 && !c.stuck && (c.meter.stuck(m.now, &c.flight) || m.random.IntN(50) == 0) {
			c.stuck = true
			m.out.lost(&c.flight)
			m.stood++
		}
	}
}

// takes is how much a carrier takes in its turn.
func (m *model) takes(i int) int {
	c := m.carriers[i]
	if !m.share {
		return 1 + m.random.IntN(batch)
	}
	if c.stuck {
		return 0
	}
	return offer{
		active: i == 0, alone: len(m.carriers) == 1, way: c.flight.way(), allow: c.meter.allowance(),
		batch: batch + m.random.IntN(2)*(mostBatch-batch), piece: c.meter.piece(m.out.buffer), again: len(m.out.again) > 0, unsent: m.out.unsent(),
	}.take()
}

func (m *model) write(n int) {
	type filling struct {
		at    uint64
		bytes []byte
		space Space
	}
	var several []filling
	for n > 0 && m.out.room() > 0 {
		next := min(n, m.out.room(), 1+m.random.IntN(chunkSize))
		f := filling{at: m.out.taken, bytes: make([]byte, next)}
		f.space = m.out.reserve(next)
		several = append(several, f)
		n -= next
	}
	for _, i := range m.random.Perm(len(several)) { // in any order
		f := several[i]
		for j := range f.bytes {
			f.bytes[j] = pattern(f.at + uint64(j))
		}
		filled := f.space
		filled.Put(f.bytes)
		m.out.commit(f.space)
		if m.random.IntN(4) == 0 {
			m.send()
		}
	}
}

func (m *model) send() {
	if len(m.carriers) == 0 || !m.out.pending() {
		return
	}
	i := len(m.carriers) - 1 // the newest, as a line does, or any, as one with several in use would
	if m.random.IntN(3) == 0 {
		i = m.random.IntN(len(m.carriers))
	}
	c := m.carriers[i]
	most := m.takes(i)
	if most == 0 {
		return
	}
	s := m.out.take(&c.flight, most)
	c.meter.left(m.now, &c.flight, s.len())
	parts := m.out.hold(s, nil)
	frame := modelFrame{offset: s.from}
	for _, p := range parts {
		frame.data = append(frame.data, p.bytes()...)
	}
	m.out.drop(parts)
	c.queue = append(c.queue, frame)
}

// deliver brings a part of the first frame of some carrier.
func (m *model) deliver() {
	if len(m.carriers) == 0 {
		return
	}
	c := m.carriers[m.random.IntN(len(m.carriers))]
	if len(c.queue) == 0 || m.random.IntN(c.slow) > 0 {
		return
	}
	f := &c.queue[0]
	c1 := m.pool.get()
	fill := m.random.IntN(chunkSize / 2)
	for range 1 + m.random.IntN(3) {
		n := copy(c1.data[fill:min(chunkSize, fill+1+m.random.IntN(chunkSize))], f.data)
		if n == 0 {
			break
		}
		if err := m.in.accept(f.offset, part{c1, fill, fill + n}); err != nil {
			m.t.Error(err)
		}
		fill += n
		c.came += uint64(n)
		f.offset += uint64(n)
		f.data = f.data[n:]
	}
	m.pool.release(c1)
	if len(f.data) == 0 {
		c.queue = c.queue[1:]
	}
}

func (m *model) read(n int) {
	for n > 0 && m.in.read < m.in.next {
		ready := m.in.ready()
		ready = ready[:min(n, len(ready))]
		for i, b := range ready {
			if want := pattern(m.in.read + uint64(i)); b != want {
				m.t.Errorf("byte %d is %d, want %d", m.in.read+uint64(i), b, want)
				return
			}
		}
		n -= len(ready)
		m.checked += uint64(len(ready))
		m.in.consume(len(ready))
	}
}

// word is what the receiver would acknowledge now.
func (m *model) word() [2]uint64 {
	m.in.offered = max(m.in.offered, m.in.limit())
	return [2]uint64{m.in.next, m.in.offered}
}

func (m *model) ack(word [2]uint64) {
	if err := m.out.ack(word[0], word[1]); err != nil {
		m.t.Error(err)
	}
}

// fault adds a carrier, or kills one with all that is on it; with a new first carrier the positions are exchanged.
func (m *model) fault() {
	if len(m.carriers) > 0 && m.random.IntN(3) == 0 {
		i := m.random.IntN(len(m.carriers))
		m.out.lost(&m.carriers[i].flight)
		m.carriers = append(m.carriers[:i], m.carriers[i+1:]...)
		m.died++
	}
	if len(m.carriers) < 8 && m.random.IntN(3) == 0 {
		if len(m.carriers) == 0 {
			m.ack(m.word())
		} else {
			m.switched++
		}
		m.carriers = append(m.carriers, &modelCarrier{slow: 1 + m.random.IntN(5)})
	}
}

// accounts looks for bytes that would be lost: every one that was sent and is not acknowledged is on its way by a carrier that lives,
// waits to go again, or is with the receiver.
func (m *model) accounts() {
	var missing spans
	missing.add(span{m.out.acked, m.out.sent})
	missing.remove(span{0, m.in.next})
	for _, p := range m.in.pieces {
		missing.remove(span{p.offset, p.end()})
	}
	for _, s := range m.out.again {
		missing.remove(s)
	}
	for _, c := range m.carriers {
		for _, s := range c.flight.spans {
			missing.remove(s)
		}
	}
	if len(missing) > 0 {
		m.t.Errorf("nobody has %v", missing)
	}
}

func (m *model) bounds() {
	if kept := len(m.out.chunks) * chunkSize; kept > m.out.buffer+2*chunkSize {
		m.t.Errorf("sender keeps %d bytes, bound %d", kept, m.out.buffer)
	}
	waiting := 0
	chunks := map[*chunk]bool{}
	for _, p := range m.in.pieces {
		waiting += p.to - p.from
		chunks[p.chunk] = true
	}
	if m.in.held != len(chunks) {
		m.t.Errorf("receiver counts %d chunks, holds %d", m.in.held, len(chunks))
	}
	if waiting > m.in.window {
		m.t.Errorf("receiver keeps %d bytes, bound %d", waiting, m.in.window)
	}
}

// finish has everything that was written arrive.
func (m *model) finish() {
	for len(m.carriers) > 0 {
		m.out.lost(&m.carriers[0].flight)
		m.carriers = m.carriers[1:]
	}
	m.carriers = []*modelCarrier{{slow: 1}}
	for m.checked < m.out.wrote {
		before := m.checked
		m.ack(m.word())
		for m.out.pending() {
			m.send()
		}
		for len(m.carriers[0].queue) > 0 {
			m.deliver()
		}
		m.read(1 << 30)
		if m.checked == before {
			m.t.Fatalf("stands still at %d of %d", m.checked, m.out.wrote)
		}
	}
	m.ack(m.word())
	if m.out.acked != m.out.wrote || len(m.out.chunks) > 1 || len(m.in.pieces) > 0 {
		m.t.Errorf("at the end %d of %d are acknowledged, %d chunks and %d pieces are kept", m.out.acked, m.out.wrote, len(m.out.chunks), len(m.in.pieces))
	}
}
