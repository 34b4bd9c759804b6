package line

import "fmt"

// A sender is one direction of a line at the end that writes. It decides what is to be sent, and keeps it until the peer has
// it. It knows nothing of connections and time; its caller serialises the calls.
//
//	base <= acked <= sent <= wrote <= taken  acked: the peer has it
//	acked <= every span of again <= sent     sent:  went out by some carrier, at least once
//	sent <= limit                            limit: the peer takes no byte from there on
type sender struct {
	pool     *pool
	chunks   []*chunk // hold the bytes from base to taken
	base     uint64   // a multiple of chunkSize, so that records end where the peer's chunks do
	acked    uint64
	sent     uint64
	wrote    uint64
	limit    uint64
	again    spans  // sent by a carrier that is lost
	repeated uint64 // how many bytes of again were taken
	buffer   int    // how many bytes may be kept
	ahead    int    // how many of them may be unsent

	taken uint64 // up to here the stream's bytes have places; those behind wrote are being filled
	fills []fill // the places between wrote and taken, in order
}

// pending tells whether anything can be sent now.
func (s *sender) pending() bool { return len(s.again) > 0 || s.sent < min(s.wrote, s.limit) }

// unsent is how many bytes can be sent that were not.
func (s *sender) unsent() int { return int(max(s.sent, min(s.wrote, s.limit)) - s.sent) }

// take gives the next bytes to send by the carrier of a flight: lost ones first. There must be some pending.
func (s *sender) take(f *flight, most int) span {
	var out span
	if len(s.again) > 0 {
		out = s.again.takeFirst(most)
		s.repeated += uint64(out.len())
	} else {
		out = span{s.sent, min(s.wrote, s.limit)}
		if out.len() > most {
			out.to = s.sent + uint64(most)
			if whole := out.to - out.to%recordSize; whole > s.sent {
				out.to = whole
			}
		}
		s.sent = out.to
	}
	f.add(out)
	return out
}

// hold appends the memory of a span to parts and keeps it there until drop.
func (s *sender) hold(out span, parts []part) []part {
	for at := out.from; at < out.to; {
		i := int(at - s.base)
		p := s.chunks[i/chunkSize].record(i % chunkSize)
		p.to = min(p.to, p.from+int(out.to-at))
		p.chunk.uses++
		parts = append(parts, p)
		at += uint64(p.to - p.from)
	}
	return parts
}

func (s *sender) drop(parts []part) {
	for _, p := range parts {
		s.pool.release(p.chunk)
	}
}

// ack takes the peer's word on what it has, and on what it will take. Older words than the last change nothing.
func (s *sender) ack(received, limit uint64) error {
	if received > s.sent {
		return fmt.Errorf("%w: acknowledges %d, and %d was sent", ErrProtocol, received, s.sent)
	}
	s.limit = max(s.limit, min(limit, maxOffset))
	if received <= s.acked {
		return nil
	}
	s.acked = received
	s.again.dropBefore(received)
	n := 0
	for ; n < len(s.chunks) && s.base+chunkSize <= received; n++ {
		s.pool.release(s.chunks[n])
		s.base += chunkSize
	}
	if n > 0 {
		kept := copy(s.chunks, s.chunks[n:])
		clear(s.chunks[kept:])
		s.chunks = s.chunks[:kept]
	}
	if s.acked == s.taken && len(s.chunks) == 1 { // an idle line holds no memory
		s.pool.release(s.chunks[0])
		s.chunks, s.base = s.chunks[:0], s.wrote-s.wrote%chunkSize
	}
	return nil
}

// told takes the peer's word on how many bytes have come by the carrier of a flight. They need not go again.
func (s *sender) told(f *flight, came uint64) error {
	return f.told(came, func(there span) { s.again.remove(there) })
}

// lost has everything of a flight sent again.
func (s *sender) lost(f *flight) {
	f.spans.dropBefore(s.acked)
	for _, lost := range f.spans {
		s.again.add(lost)
	}
	f.spans = nil
}

// landed tells whether the peer has everything of a flight.
func (s *sender) landed(f *flight) bool {
	f.spans.dropBefore(s.acked)
	return len(f.spans) == 0
}
