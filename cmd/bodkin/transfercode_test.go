package main

import (
	"context"
	"errors"
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/pairing"
)

// seeing is a node that sees peers.
type seeing struct {
	*fakeNode
	peers []bodkin.Peer
}

func (n seeing) Peers(context.Context) ([]bodkin.Peer, error) { return n.peers, nil }

func TestACodeWhoseSenderHasEndedIsNotWaitedFor(t *testing.T) {
	room := &fakeRoom{}
	ada, ben := room.join(t, "ada"), room.join(t, "ben")
	code, err := pairing.New(nodeNumber(ada.ID()))
	if err != nil {
		t.Fatal(err)
	}
	node := seeing{ben, []bodkin.Peer{{ID: ada.ID(), Name: "ada", Online: true}}}
	cases := []struct {
		name   string
		sender bodkin.NodeID
		ended  bool
	}{
		{"nobody was met", bodkin.NodeID{}, false}, // another node may have this number
		{"another was met", ben.ID(), false},
		{"she was met", ada.ID(), true},
	}
	for _, c := range cases {
		r := receiver{node: node, sender: c.sender}
		_, err := r.find(t.Context(), code)
		if errors.Is(err, errEnded) != c.ended {
			t.Errorf("%s: %v; want the end told: %v", c.name, err, c.ended)
		}
		if f := (*failure)(nil); !errors.As(err, &f) || f.code != exitPeerUnavailable {
			t.Errorf("%s: %v, want exit code %d", c.name, err, exitPeerUnavailable)
		}
	}
	gone := receiver{node: seeing{ben, []bodkin.Peer{{ID: ada.ID(), Name: "ada"}}}, sender: ada.ID()}
	if _, err := gone.find(t.Context(), code); errors.Is(err, errEnded) {
		t.Error("a sender that is offline may come back")
	}
}
