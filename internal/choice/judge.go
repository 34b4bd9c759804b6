package choice

import (
	"slices"
	"time"
)

// A Judge decides for one session. Its zero value is ready.
type Judge struct {
	tracks   map[uint64]*track
	inUse    uint64
	byChoice bool // the relay is used although there is, or was, a direct path

	badSince    time.Time // since when the direct path in use is bad; zero if it is not
	bad         time.Time // when one was last
	better      uint64    // which path has been better than that in use
	betterSince time.Time

	moved time.Time // when the path was changed by advice last
	rest  time.Duration
	seek  time.Time // no other is looked for before
	pause time.Duration

	from    uint64 // the path that was in use before a trial
	trial   time.Time
	had     float64 // bytes a second by it; zero: the trial is over
	marks   []mark
	faulted string // what was wrong with the direct path when it was left
	relay   Loss   // of the last relayed path, which the next one is likely to have
}

// Judge takes in a reading, and tells what to do.
func (j *Judge) Judge(r Reading) (a Advice) {
	current := j.note(r)
	if current == nil {
		j.badSince, j.betterSince = time.Time{}, time.Time{}
		return a
	}
	rested := r.Now.Sub(j.moved) >= j.rest
	switch {
	case j.failed(r):
		a.Use, a.Drop = j.from, []uint64{j.inUse}
		j.pause = min(max(2*j.pause, vainFirst), seekLast)
		j.seek = r.Now.Add(j.pause)
	case current.relayed:
		j.badSince = time.Time{}
		a.Use = j.held(r.Now, j.bestOf(current), rested)
		if a.Use == 0 && j.byChoice && !j.has(false) && j.maySeek(r.Now) {
			a.SeekDirect = true
		}
	default:
		j.direct(r, current, rested, &a)
	}
	if next := j.tracks[a.Use]; next != nil {
		j.move(r, current, next)
		if next.relayed {
			a.Why = j.faulted
		}
	}
	a.Alert = j.isFar(r, current) || a.Use != 0 || a.SeekDirect || a.SeekRelayed || !j.badSince.IsZero() || len(j.tracks) > 1
	return a
}

// direct judges a session that is on a direct path.
func (j *Judge) direct(r Reading, current *track, rested bool, a *Advice) {
	j.byChoice = false
	if !j.isBad(r, current) {
		j.badSince, j.betterSince = time.Time{}, time.Time{}
		if r.Now.Sub(j.bad) > calm {
			j.pause = 0
		}
		if rested {
			a.Drop = j.others(r.Now)
		}
		return
	}
	j.bad = r.Now
	if j.badSince.IsZero() {
		j.badSince = r.Now
	}
	if r.Now.Sub(j.badSince) < badFor {
		return
	}
	if a.Use = j.held(r.Now, j.bestOf(current), rested); a.Use != 0 {
		return
	}
	if len(j.tracks) > 1 { // those that are there are compared first
		if j.betterSince.IsZero() && rested {
			a.Drop = j.others(r.Now)
		}
		return
	}
	if rested && j.maySeek(r.Now) {
		a.SeekDirect, a.SeekRelayed = true, r.MayRelay
	}
}

// note takes in a reading, and returns the track of the path in use; nil if there is none.
func (j *Judge) note(r Reading) (current *track) {
	if j.tracks == nil {
		j.tracks = map[uint64]*track{}
	}
	for _, t := range j.tracks {
		t.seen = false
	}
	for _, p := range r.Paths {
		t := j.tracks[p.ID]
		if t == nil {
			t = &track{relayed: p.Relayed, since: r.Now}
			if p.Relayed {
				t.loss = j.relay
			}
			j.tracks[p.ID] = t
		}
		t.note(p)
		if p.InUse {
			current = t
			if j.inUse != p.ID { // it moved by itself
				j.inUse, j.badSince, j.betterSince, j.had = p.ID, time.Time{}, time.Time{}, 0
			}
		}
	}
	for id, t := range j.tracks {
		if !t.seen {
			if t.relayed {
				j.relay = t.loss
				j.relay.fade(unused)
			}
			delete(j.tracks, id)
		}
	}
	j.marks = append(j.marks, mark{r.Now, r.Moved, r.Pressed})
	for len(j.marks) > 2 && r.Now.Sub(j.marks[1].at) >= trialTime-settle {
		j.marks = j.marks[1:]
	}
	return current
}

// held returns a path once it has been the better one for a while.
func (j *Judge) held(now time.Time, better uint64, rested bool) (use uint64) {
	if better == 0 {
		j.betterSince = time.Time{}
		return 0
	}
	if j.betterSince.IsZero() || j.better != better {
		j.better, j.betterSince = better, now
	}
	if rested && now.Sub(j.betterSince) >= holds {
		return better
	}
	return 0
}

// has tells whether there is a path of a kind.
func (j *Judge) has(relayed bool) bool {
	for _, t := range j.tracks {
		if t.relayed == relayed {
			return true
		}
	}
	return false
}

// others is the paths beside the one in use that were measured for long enough.
func (j *Judge) others(now time.Time) (drop []uint64) {
	for id, t := range j.tracks {
		if id != j.inUse && now.Sub(t.since) >= keep {
			drop = append(drop, id)
		}
	}
	slices.Sort(drop)
	return drop
}

// maySeek tells whether others may be looked for now, and if so counts that.
func (j *Judge) maySeek(now time.Time) bool {
	if now.Before(j.seek) {
		return false
	}
	j.pause = max(j.pause, seekFirst)
	j.seek = now.Add(j.pause)
	j.pause = min(2*j.pause, seekLast)
	return true
}

// move notes that the path is changed by advice.
func (j *Judge) move(r Reading, current, next *track) {
	if j.rest == 0 || r.Now.Sub(j.moved) > calm {
		j.rest = restFirst
	} else {
		j.rest = min(2*j.rest, restLast)
	}
	j.byChoice = next.relayed
	if !current.relayed {
		j.faulted = current.fault()
	}
	j.trial, j.had = r.Now, 0
	if rate, pressed := j.goodput(time.Time{}); next.relayed && pressed {
		j.had = rate
	}
	for id, t := range j.tracks {
		if t == current {
			j.from = id
		} else if t == next {
			j.inUse = id
		}
	}
	j.moved, j.badSince, j.betterSince = r.Now, time.Time{}, time.Time{}
	j.marks = nil
}
