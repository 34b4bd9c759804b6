package line

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Places are reserved in one order, filled and committed in another, and must come out in the first.
func TestPlacesThatAreFilledInAnyOrderAreSentInTheirs(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	s := sender{pool: new(pool), buffer: 1 << 30, ahead: 1 << 30, limit: 1 << 30}
	type place struct {
		space Space
		bytes []byte
	}
	var open []place
	var want, got []byte
	var out flight
	whole := 0 // parts that end with a record
	for range 2000 {
		if random.IntN(2) == 0 {
			b := make([]byte, 1+random.IntN(MaxSpace))
			switch random.IntN(4) {
			case 0:
				b = make([]byte, MaxSpace)
			case 1: // up to a few bytes in front of a chunk's end, so that the largest behind it spans three
				b = make([]byte, max(1, chunkSize-int(s.taken%chunkSize)-1-random.IntN(60)))
			}
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			want = append(want, b...)
			open = append(open, place{s.reserve(len(b)), b})
		} else if len(open) > 0 {
			i := random.IntN(len(open))
			p := open[i]
			open = append(open[:i], open[i+1:]...)
			filled := p.space
			for rest := p.bytes; len(rest) > 0; {
				n := 1 + random.IntN(len(rest))
				filled.Put(rest[:n])
				rest = rest[n:]
			}
			s.commit(p.space)
		}
		for s.pending() {
			parts := s.hold(s.take(&out, 1+random.IntN(batch)), nil)
			for _, p := range parts {
				got = append(got, p.bytes()...)
				if m := p.marked(); cap(m) > len(m) {
					if whole++; m[:len(m)+1][len(m)] != dataMark {
						t.Fatal("no mark behind the end of a record")
					}
				}
			}
			s.drop(parts)
		}
		if random.IntN(10) == 0 {
			if err := s.ack(s.sent, s.limit); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !bytes.Equal(got, want[:len(got)]) || len(got) < 1<<20 || whole < len(got)/recordSize || s.wrote != s.sent {
		t.Errorf("%d of %d bytes were sent, not the same as those that were put", len(got), len(want))
	}
}
