package session

import (
	"math/rand/v2"
	"testing"
)

func TestPeerIsGrantedWhatWasReadAndNoMore(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	w := newWindow()
	credit, unread := firstWindow, 0 // as the peer and the reader see it
	for range 100_000 {
		switch random.IntN(4) {
		case 0:
			n := random.IntN(credit + 1)
			if !w.come(n) {
				t.Fatal("granted bytes are refused")
			}
			credit, unread = credit-n, unread+n
		case 1:
			n := random.IntN(unread + 1)
			w.read(n)
			unread -= n
		case 2:
			credit += w.grant()
		case 3:
			if w.size < 4<<20 && w.blocked() {
				w.grow(w.size)
			}
		}
		if credit+unread+w.owed != w.size || w.unread() != unread {
			t.Fatalf("window of %d: credit %d, unread %d, owed %d", w.size, credit, unread, w.owed)
		}
	}
	if w.size < 4<<20 {
		t.Error("the window has not grown")
	}
	if w.come(credit + 1) {
		t.Error("a byte more than was granted is taken")
	}
}

func TestNoStreamGetsAllOfTheBudget(t *testing.T) {
	b := budget{left: 1000}
	if b.take(501) || !b.take(500) || b.take(251) || b.left != 500 {
		t.Errorf("%d are left", b.left)
	}
}

func TestCreditIsUrgentWhenLessThanHalfTheWindowIsToCome(t *testing.T) {
	w := newWindow()
	for _, c := range []struct {
		come  int
		ample bool
	}{{firstWindow / 4, true}, {firstWindow / 4, true}, {1, false}} {
		w.come(c.come)
		w.read(c.come)
		if w.ample() != c.ample {
			t.Errorf("with %d of %d bytes to come: ample %v", w.left, w.size, w.ample())
		}
	}
	w.grant()
	if !w.ample() {
		t.Error("not ample after a grant")
	}
}
