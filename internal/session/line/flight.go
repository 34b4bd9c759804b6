package line

import "fmt"

// maxOrder bounds in how many pieces a flight may be. A peer that tells what has come keeps it far below.
const maxOrder = 1 << 13

// A flight is what went out by one carrier and is not known to have come.
type flight struct {
	spans spans  // sorted; without what the line's acknowledgments cover
	order []span // as they left; what came is taken from the front, since a carrier keeps the order
	sent  uint64 // bytes of data that went out by the carrier, and
	came  uint64 // how many of them the peer says have come by it
}

// add puts a span on its way.
func (f *flight) add(s span) {
	f.spans.add(s)
	f.sent += uint64(s.len())
	if n := len(f.order); n > 0 && f.order[n-1].to == s.from {
		f.order[n-1].to = s.to
		return
	}
	f.order = append(f.order, s)
}

// way is how many bytes are on their way.
func (f *flight) way() int { return int(f.sent - f.came) }

// told takes the peer's word on how many bytes of data have come by the carrier. They need not be sent again if it is lost: the
// peer keeps them, whether others before them are missing or not. Each span that came is passed to there.
func (f *flight) told(came uint64, there func(span)) error {
	if came > f.sent {
		return fmt.Errorf("%w: %d bytes came by a carrier, and %d were sent", ErrProtocol, came, f.sent)
	}
	for came > f.came {
		first := &f.order[0]
		n := min(uint64(first.len()), came-f.came)
		has := span{first.from, first.from + n}
		f.spans.remove(has)
		there(has)
		f.came += n
		if first.from += n; first.from == first.to {
			f.order = f.order[:copy(f.order, f.order[1:])]
		}
	}
	return nil
}
