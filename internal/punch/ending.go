package punch

import "time"

// giveUp ends the attempt if nothing can come of it any more.
func (m *machine) giveUp(now time.Time) []action {
	nothingLeft := m.lastRound && m.count(ended) == len(m.tries)
	timeOver := m.expired && m.count(nominating) == 0
	if m.over || !nothingLeft && !timeOver {
		return nil
	}
	if !timeOver && m.relay.offered && !m.relay.begun {
		return m.startRelay(now)
	}
	return m.finish(now, ErrNoDirectPath)
}

// finish ends the attempt: with a winner if cause is nil. Without one, everything is closed at once. With one, the dialer
// resets what is open, and the rest comes to its end by itself until the attempt is settled.
func (m *machine) finish(now time.Time, cause error) []action {
	m.over, m.cause = true, cause
	var do []action
	for i := range m.tries {
		t := &m.tries[i]
		if t.stage == ended {
			continue
		}
		switch t.stage {
		case dialling:
			t.Outcome = Unanswered
		case verifying:
			t.Outcome = Unfinished
		case proven, nominating:
			t.Outcome = Spare
			if cause != nil {
				t.Outcome = Lost
			}
		}
		t.stage, t.Ended = ended, now
		if m.role == Dialer || cause != nil {
			do = append(do, m.drop(i)...)
		}
	}
	return do
}

// goOn is for answers that come after the end. The callee goes on as if nothing was, up to waiting for a nomination,
// because the dialer's reset is to find its connections open; everyone else closes what opens now.
func (m *machine) goOn(i int, next verb, err error) []action {
	if err == nil && m.role == Callee && m.cause == nil && !m.settled {
		return []action{{verb: next, try: i}}
	}
	return m.drop(i)
}

// settle closes what is left after the end. Without a winner nothing is.
func (m *machine) settle() []action {
	m.settled = true
	var do []action
	for i := range m.tries {
		if i != m.winner {
			do = append(do, m.drop(i)...)
		}
	}
	return do
}

// drop closes a connection that is not needed, if it is open. A callee that has a winner does so in order: the dialer
// resets its end, and if two resets cross, Linux routers on both sides keep the dead connection in mind and let no new
// one through (docs/decisions/0054).
func (m *machine) drop(i int) []action {
	if !m.tries[i].isOpen {
		return nil
	}
	m.tries[i].isOpen = false
	if m.over && m.role == Callee && m.cause == nil {
		return []action{{verb: retire, try: i}}
	}
	return []action{{verb: abort, try: i}}
}
