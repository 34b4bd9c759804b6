package bodkin

import (
	"slices"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

func TestAPeerIsThereByTheServersWordOrByItsOwn(t *testing.T) {
	var r roster
	r.mu.Lock()
	r.init()
	w := r.watch()
	id := NodeID{1}
	var told []EventKind
	step := func(do func()) {
		do()
		for len(w.events) > 0 {
			told = append(told, (<-w.events).Kind)
		}
	}
	step(func() { r.near(id, "ben") })
	step(func() { r.apply(rendezvous.Event{Kind: rendezvous.Joined, Node: id}, "ben") })
	step(func() { r.apply(rendezvous.Event{Kind: rendezvous.Left, Node: id}, "") }) // still near
	if !r.peer(id).Online || r.peer(id).Name != "ben" {
		t.Errorf("near, and listed as %+v", r.peer(id))
	}
	step(func() { r.notNear(id) })
	step(func() { r.notNear(id) })
	step(func() { r.apply(rendezvous.Event{Kind: rendezvous.Joined, Node: id}, "ben") })
	step(func() { r.near(id, "ben") })
	step(func() { r.notNear(id) }) // still online
	step(func() { r.apply(rendezvous.Event{Kind: rendezvous.Left, Node: id}, "") })
	if want := []EventKind{Joined, Changed, Left, Joined, Left}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestTheServerSaysWhoseANameIs(t *testing.T) {
	var r roster
	r.init()
	ben, liar := NodeID{1}, NodeID{2}
	for _, row := range []struct {
		name      string
		id        NodeID
		connected bool
		want      bool
	}{
		{"nobody knows better", ben, false, true},
		{"the server may know better", ben, true, false},
	} {
		if got := r.agrees(row.id, "ben", row.connected); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
	r.online[ben] = "ben"
	if !r.agrees(ben, "ben", true) || r.agrees(liar, "ben", true) || r.agrees(liar, "ben", false) {
		t.Error("the server's word does not count")
	}
}
