package line

import "time"

const (
	// judgeTime is over how long goodput is measured.
	judgeTime = time.Second
	// idleTime is how long the queue may run empty until one carrier is enough.
	idleTime = 5 * time.Second
	// askTime is how long carriers that were asked for may take to come, and askAgain until they are asked for again.
	askTime  = 10 * time.Second
	askAgain = 2 * time.Second
	// After carriers did not raise goodput none are added for addFirst, doubling up to addLast. How long one less is not tried
	// doubles in the same way, from dropFirst on; a success is followed up after dropNext.
	addFirst  = 10 * time.Second
	dropFirst = 30 * time.Second
	dropNext  = 5 * time.Second
	addLast   = 10 * time.Minute
	// More carriers are kept if they bring more than enough, and one less if it brings nearly as much.
	enough = 1.10
	nearly = 0.97
)

// A phase is what a spread waits for.
type phase byte

const (
	steady  phase = iota // until it is time to try one more, or one less
	adding               // until the carriers are there
	trying               // whether more bring more
	probing              // whether one less brings as much
)

// A spread decides by how many carriers one direction is sent. It is pure: what was measured comes as an argument.
type spread struct {
	most  int   // as many may be used
	want  int   // as many are to be used
	phase phase // why
	until time.Time
	from  int       // how many were used before, and
	rate  float64   // what they brought
	goal  int       // how many are to be tried
	asked time.Time // when they were asked for last

	addAt, dropAt       time.Time     // nothing is tried before
	addPause, dropPause time.Duration // how long after the next failure

	last   time.Time // when judged last
	busyAt time.Time // when the queue was full last
	fullAt time.Time // since when it has not run empty
	past   []mark    // oldest first
}

// A mark is how much the peer had at a time.
type mark struct {
	at   time.Time
	came uint64
}

// A reading is what a spread judges by.
type reading struct {
	now     time.Time
	came    uint64        // bytes of the stream that the peer has
	starved time.Duration // for how long, since the last reading, there was nothing to send
	have    int           // how many carriers could be used
	settle  time.Duration // how long a change takes to show
}

func newSpread(most int) spread {
	return spread{most: most, want: 1, addPause: addFirst, dropPause: dropFirst}
}

// judge decides how many are used from now on, and tells how many more are to be asked for.
func (s *spread) judge(r reading) (ask int) {
	s.note(r)
	s.want = max(1, min(s.want, r.have))
	if r.now.Sub(s.busyAt) >= idleTime {
		s.want, s.phase = 1, steady
		return 0
	}
	switch s.phase {
	case steady:
		s.next(r)
	case trying, probing:
		s.verdict(r)
	}
	if s.phase == adding {
		return s.add(r)
	}
	return 0
}

// note takes a reading into account.
func (s *spread) note(r reading) {
	passed := r.now.Sub(s.last)
	if s.last.IsZero() || passed > judgeTime { // the first for a while
		s.past = s.past[:0]
		s.busyAt, s.fullAt = r.now, r.now
		passed = 0
	}
	s.last = r.now
	if r.starved <= passed/8 {
		s.busyAt = r.now
	} else {
		s.fullAt = r.now
	}
	s.past = append(s.past, mark{r.now, r.came})
	for len(s.past) > 1 && r.now.Sub(s.past[1].at) >= judgeTime {
		s.past = s.past[:copy(s.past, s.past[1:])]
	}
}

// goodput is how many bytes a second came in the last judgeTime; zero if nothing is known yet.
func (s *spread) goodput() float64 {
	if len(s.past) == 0 {
		return 0
	}
	first, last := s.past[0], s.past[len(s.past)-1]
	return float64(last.came-first.came) / max(last.at.Sub(first.at), time.Millisecond).Seconds()
}

// next tries something else if it is time.
func (s *spread) next(r reading) {
	if r.now.Sub(s.fullAt) < judgeTime {
		return
	}
	s.from, s.rate = s.want, s.goodput()
	switch {
	case s.want < s.most && !r.now.Before(s.addAt):
		s.phase, s.goal, s.asked = adding, min(2*s.want, s.most), time.Time{}
		s.until = r.now.Add(askTime)
	case s.want > 1 && !r.now.Before(s.dropAt):
		s.want--
		s.phase, s.until = probing, r.now.Add(r.settle+judgeTime)
	}
}

// add waits until as many carriers as are to be tried are there, and tells how many to ask for.
func (s *spread) add(r reading) (ask int) {
	if r.have <= s.from {
		s.rate = s.goodput()
	}
	s.want = max(s.from, min(s.goal, r.have))
	late := !r.now.Before(s.until)
	switch {
	case r.have < s.goal && !late:
		if r.now.Sub(s.asked) >= askAgain {
			ask, s.asked = s.goal-r.have, r.now
		}
	case s.want > s.from:
		s.phase, s.until = trying, r.now.Add(r.settle+judgeTime)
	default:
		s.failed(r.now)
	}
	return ask
}

// failed goes back to as many as there were, and waits longer than last time before more are tried.
func (s *spread) failed(now time.Time) {
	s.want, s.phase = s.from, steady
	s.addAt = now.Add(s.addPause)
	s.addPause = min(2*s.addPause, addLast)
}

// verdict ends a trial when its time is over.
func (s *spread) verdict(r reading) {
	short := s.fullAt.After(s.until.Add(-judgeTime)) // the queue ran empty while it was measured
	switch {
	case s.phase == trying && s.want <= s.from: // they were lost, which says nothing of what they bring
		s.want, s.phase = s.from, steady
		s.addAt = r.now.Add(dropNext)
	case r.now.Before(s.until):
	case short:
		s.want, s.phase = s.from, steady
	case s.phase == trying && s.goodput() > enough*s.rate:
		s.phase = steady
		s.addPause, s.dropPause = addFirst, dropFirst
		s.dropAt = r.now.Add(s.dropPause)
	case s.phase == trying:
		s.failed(r.now)
	case s.goodput() >= nearly*s.rate: // one less is as good
		s.phase = steady
		s.addAt = r.now.Add(s.addPause)
		s.dropAt = r.now.Add(dropNext)
	default:
		s.want, s.phase = s.from, steady
		s.dropAt = r.now.Add(s.dropPause)
		s.dropPause = min(2*s.dropPause, addLast)
	}
}
