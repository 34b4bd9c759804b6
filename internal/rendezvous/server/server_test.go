package server_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
)

func TestTwoNodesAreIntroduced(t *testing.T) {
	s := start(t, server.Config{})
	room := must(identity.NewRoom())
	a, b := s.joined(t, person{room: room, name: "a"}), s.joined(t, person{room: room, name: "b"})
	for name, target := range map[string]rendezvous.Target{"id": rendezvous.ByNode(b.id), "name": rendezvous.ByNameTag(room.NameTag("b"))} {
		toA, err := a.Introduce(deadline(t), target)
		if err != nil {
			t.Fatalf("by %s: %v", name, err)
		}
		if told := receive(t, a.introduced); told.Attempt != toA.Attempt {
			t.Errorf("by %s: Introduced got another attempt than Introduce", name)
		}
		toB := receive(t, b.introduced)
		if toA.Attempt != toB.Attempt || toA.Round != 1 || toB.Round != 1 || toA.Delay != 0 || toB.Delay != 0 {
			t.Errorf("by %s: introductions do not fit: %+v and %+v", name, toA, toB)
		}
		if toA.Role != rendezvous.Dialer || toB.Role != rendezvous.Callee || toA.Peer != b.id || toB.Peer != a.id {
			t.Errorf("by %s: wrong roles or peers: %+v and %+v", name, toA, toB)
		}
		if !slices.Contains(toA.Observed, b.State().Observed) || !slices.Contains(toB.Observed, a.State().Observed) {
			t.Errorf("by %s: observed %v and %v, want %v and %v", name, toA.Observed, toB.Observed, b.State().Observed, a.State().Observed)
		}
		if plain, err := room.Open(b.id, toA.Sealed); err != nil || string(plain) != "b" {
			t.Errorf("by %s: b's profile is %q, %v", name, plain, err)
		}
		a.Finished(toA.Attempt, 1, true)
		eventually(t, "attempt ends", func() bool { return s.server.Stats().Attempts == 0 })
	}
}

func TestUnknownOfflineAndForeignPeersAreOneAnswer(t *testing.T) {
	s := start(t, server.Config{})
	room, otherRoom := must(identity.NewRoom()), must(identity.NewRoom())
	a := s.joined(t, person{room: room, name: "a"})
	foreign := s.joined(t, person{room: otherRoom, name: "b"})
	gone := s.joined(t, person{room: room, name: "c"})
	gone.stop()
	eventually(t, "c is gone", func() bool { return s.server.Stats().Nodes == 2 })
	for name, target := range map[string]rendezvous.Target{
		"unknown id":         rendezvous.ByNode(must(identity.NewKey()).NodeID()),
		"unknown name":       rendezvous.ByNameTag(room.NameTag("nobody")),
		"foreign id":         rendezvous.ByNode(foreign.id),
		"foreign name":       rendezvous.ByNameTag(otherRoom.NameTag("b")),
		"same name, my room": rendezvous.ByNameTag(room.NameTag("b")),
		"gone id":            rendezvous.ByNode(gone.id),
		"gone name":          rendezvous.ByNameTag(room.NameTag("c")),
		"myself":             rendezvous.ByNode(a.id),
	} {
		if _, err := a.Introduce(deadline(t), target); !errors.Is(err, rendezvous.ErrNotHere) {
			t.Errorf("%s: error is %v, want ErrNotHere", name, err)
		}
	}
}
