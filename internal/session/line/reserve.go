package line

// A fill is a place in the stream that some writer has reserved, from the end of the one before.
type fill struct {
	end  uint64
	done bool
}

// A Space is a place in the stream that was reserved for one writer. Nobody else looks at its memory until it is committed.
type Space struct {
	memory [MaxSpace/recordSize + 2][]byte // each within a record
	first  int                             // of them, that is not full
	end    uint64
}

// Put copies p behind what was put before. A Space must be filled exactly.
func (s *Space) Put(p []byte) {
	for len(p) > 0 {
		n := copy(s.memory[s.first], p)
		s.memory[s.first] = s.memory[s.first][n:]
		p = p[n:]
		if len(s.memory[s.first]) == 0 {
			s.first++
		}
	}
}

// room is how many bytes can be written.
func (s *sender) room() int {
	return max(0, min(s.buffer-int(s.taken-s.acked), s.ahead-int(s.taken-s.sent)))
}

// reserve gives the next n bytes of the stream, at most MaxSpace, to a writer. Several may fill theirs at once, without the caller's
// serialising; the bytes become part of the stream when they and all before them are committed.
func (s *sender) reserve(n int) Space {
	at := int(s.taken - s.base)
	for len(s.chunks)*chunkSize < at+n {
		fresh := s.pool.get()
		fresh.divide()
		s.chunks = append(s.chunks, fresh)
	}
	s.taken += uint64(n)
	s.fills = append(s.fills, fill{end: s.taken})
	out := Space{end: s.taken}
	for i := 0; n > 0; i++ {
		piece := s.chunks[at/chunkSize].record(at % chunkSize).bytes()
		piece = piece[:min(n, len(piece))]
		out.memory[i] = piece
		n -= len(piece)
		at += len(piece)
	}
	return out
}

// commit makes a place that was filled part of the stream.
func (s *sender) commit(space Space) {
	done := 0
	for i := range s.fills {
		f := &s.fills[i]
		f.done = f.done || f.end == space.end
		if f.done && i == done {
			s.wrote = f.end
			done++
		} else if f.end >= space.end {
			break
		}
	}
	s.fills = s.fills[:copy(s.fills, s.fills[done:])]
}
