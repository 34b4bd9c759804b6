package netwatch

import "time"

const (
	// settleTime is how long the system must have been silent for a change to be complete: an address comes with routes, one after
	// the other within milliseconds.
	settleTime = 100 * time.Millisecond
	// settleMax is the longest that a change is waited for while the system goes on telling.
	settleMax = time.Second
)

// A settler decides when the network is another. It looks at the first event and again when there are no more: a link that goes down
// and up in between is a change too, since another network may be behind the same addresses.
type settler struct {
	look func() string
	last string // as it was when it last settled

	busy      bool      // events came since
	differs   bool      // the first look showed something else
	quiet, by time.Time // it has settled when nothing comes until quiet, and in any case at by
}

// event notes that the system told something.
func (s *settler) event(now time.Time) {
	if !s.busy {
		s.busy, s.differs, s.by = true, s.look() != s.last, now.Add(settleMax)
	}
	s.quiet = now.Add(settleTime)
}

// due is when to call settle, if there is something to settle.
func (s *settler) due() (time.Time, bool) {
	if s.quiet.After(s.by) {
		return s.by, s.busy
	}
	return s.quiet, s.busy
}

// settle reports whether the network is another than when it was last called, or was for a moment.
func (s *settler) settle() bool {
	now := s.look()
	changed := s.differs || now != s.last
	s.last, s.busy, s.differs = now, false, false
	return changed
}
