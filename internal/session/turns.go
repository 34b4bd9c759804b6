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
	want         int // zero if it does not wait
	granted      int // of room, and not used
	left         int // of its turn, with which it may go on
	queue        *ring
	before, next *turn // in queue
}

// A ring is turns in an order; its root is not one of them.
type ring struct{ root turn }

func (r *ring) first() *turn {
	if r.root.next == nil || r.root.next == &r.root {
		return nil
	}
	return r.root.next
}

func (r *ring) push(w *turn) {
	if r.root.next == nil {
		r.root.next, r.root.before = &r.root, &r.root
	}
	w.queue, w.before, w.next = r, r.root.before, &r.root
	w.before.next, w.next.before = w, w
}

func (r *ring) pushFront(w *turn) {
	r.push(w)
	if first := r.first(); first != w {
		w.before.next, w.next.before = w.next, w.before
		w.before, w.next = &r.root, first
		first.before, r.root.next = w, w
	}
}

func (w *turn) leave() {
	if w.queue != nil {
		w.before.next, w.next.before = w.next, w.before
		w.queue, w.before, w.next = nil, nil, nil
	}
}

// turns gives room to writers one after the other. It is pure but for the wake-ups, which are its caller's.
//
// Who writes a turn's bytes in several pieces need not wait between them, which spares a thousand writers of little pieces most of their
// wake-ups. So that there is room for that, only a part of it is granted at once.
//
// Who had a turn goes behind all others, and keeps that place while it does not write: so whoever writes again at once waits for as
// many turns as there are others. Who writes after its place has come up is new, and is in front, so that who comes with little need not wait for
// those with much. Newcomers without end leave the others one turn in 17.
type turns struct {
	fresh, old ring
	waiting    int // how many want
	promised   int // granted, and not used yet
	row        int // turns of new ones since the last of another
}

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
	case w.queue == nil:
		t.fresh.push(w)
	case want <= w.left:
		w.leave()
		t.old.pushFront(w)
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
	if t.row++; w.queue == &t.old {
		t.row = 0
	}
	w.leave()
	t.old.push(w)
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
	for w := t.old.first(); w != nil && w.want == 0; w = t.old.first() { // it has not written since its last turn
		w.leave()
		w.left = 0
	}
	fresh, old := t.fresh.first(), t.old.first()
	if fresh == nil || old != nil && t.row >= freshTurns {
		return old
	}
	return fresh
}

// use ends a turn.
func (t *turns) use(w *turn) {
	t.promised -= w.granted
	w.granted = 0
}

// quit gives back a turn, or the wait for one, and a place that is kept.
func (t *turns) quit(w *turn) {
	if w.want > 0 {
		w.want = 0
		t.waiting--
	}
	w.leave()
	w.left = 0
	t.use(w)
}
