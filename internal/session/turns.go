package session

import "sync"

const (
	// What a writer may put into the line in one turn.
	leastTurn, mostTurn = 16 << 10, headerSize + dataSize
	// wholeTurn is what it may put there in several goes, while nothing else keeps it: as much data in pieces of 8 KiB or more.
	wholeTurn = 8*headerSize + dataSize
	// freshTurns is how many turns in a row those may have that are new.
	freshTurns = 16
)

// A turn is the place of one writer in the order of those that write.
type turn struct {
	wake         *sync.Cond
	want         int    // zero if it does not wait
	granted      int    // of room, and not used
	left         int    // of its turn, with which it may go on
	due          uint64 // the round in which it may have the next
	before, next *turn  // in a ring, while it waits
}

// A ring is turns in an order; its root is not one of them.
type ring struct{ root turn }

// ends is the root, in front of the first and behind the last.
func (r *ring) ends() *turn {
	if r.root.next == nil {
		r.root.next, r.root.before = &r.root, &r.root
	}
	return &r.root
}

func (r *ring) first() *turn {
	if first := r.ends().next; first != &r.root {
		return first
	}
	return nil
}

func (r *ring) push(w *turn)      { w.enter(r.ends().before) }
func (r *ring) pushFront(w *turn) { w.enter(r.ends()) }

func (w *turn) enter(behind *turn) {
	w.before, w.next = behind, behind.next
	w.before.next, w.next.before = w, w
}

func (w *turn) leave() {
	if w.next != nil {
		w.before.next, w.next.before = w.next, w.before
		w.before, w.next = nil, nil
	}
}

// turns gives room to writers one after the other. It is pure but for the wake-ups, which are its caller's.
//
// Who writes a turn's bytes in several pieces need not wait between them, which spares a thousand writers of little pieces most of their
// wake-ups. So that there is room for that, only a part of it is granted at once.
//
// Each has one turn in a round. Who had its turn and asks again waits for the next round, and so for as many turns as there are others.
// Who has not had it when it asks is in front of those who wait since the last round, so that who comes with little need not wait for those
// with much; of these one has a turn after 16 of the others, however many come.
type turns struct {
	round    uint64
	fresh    ring    // who asked in this round, and has a turn in it
	waited   [2]ring // who asked in the round before, at the round's parity, and who had a turn in this one
	waiting  int     // how many want
	promised int     // granted, and not used yet
	row      int     // turns of fresh ones since the last of another
}

// now is who asked in the round before, later who waits for the next.
func (t *turns) now() *ring   { return &t.waited[t.round%2] }
func (t *turns) later() *ring { return &t.waited[(t.round+1)%2] }

// goOn grants a writer so many bytes of the turn that it has, if there is room for them.
func (t *turns) goOn(w *turn, want, room int) bool {
	if want > w.left || want > room-t.promised {
		return false
	}
	w.left -= want
	w.granted = want
	t.promised += want
	return true
}

// ask has a writer wait for a turn of so many bytes, or for room to go on with the one that it has.
func (t *turns) ask(w *turn, want int) {
	w.want = want
	t.waiting++
	switch {
	case want <= w.left:
		t.now().pushFront(w)
	case w.due > t.round:
		t.later().push(w)
	default:
		t.fresh.push(w)
	}
}

// grant gives the next writer a part of the room; nil if nobody waits, or there is too little room for a turn.
func (t *turns) grant(room int) *turn {
	if t.waiting == 0 {
		return nil
	}
	w := t.head()
	give := min(w.want, mostTurn)
	if t.promised > 0 && t.promised+give > room/4 {
		return nil
	}
	room -= t.promised
	if room < min(give, leastTurn) {
		return nil
	}
	if w == t.fresh.first() {
		t.row++
	} else {
		t.row = 0
	}
	w.leave()
	w.due = t.round + 1
	w.granted = min(give, room)
	if w.left -= w.granted; w.left < 0 {
		w.left = wholeTurn - w.granted
	}
	w.want = 0
	t.waiting--
	t.promised += w.granted
	return w
}

// head is the writer whose turn it is. Somebody waits.
func (t *turns) head() *turn {
	fresh := t.fresh.first()
	if fresh != nil && t.row < freshTurns {
		return fresh
	}
	if fresh == nil && t.now().first() == nil {
		t.round++
	}
	if w := t.now().first(); w != nil {
		return w
	}
	if w := t.later().first(); w != nil {
		return w
	}
	return fresh
}

// use ends a turn.
func (t *turns) use(w *turn) {
	t.promised -= w.granted
	w.granted = 0
}

// quit gives back a turn, or the wait for one.
func (t *turns) quit(w *turn) {
	if w.want > 0 {
		w.want = 0
		t.waiting--
	}
	w.leave()
	w.left = 0
	t.use(w)
}
