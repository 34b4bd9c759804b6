package bodkin

import (
	"context"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/server"
)

// TestRelayedSessionGivesWayToADirectOne has a node change its mind about the relay, in place of a network that changes.
func TestRelayedSessionGivesWayToADirectOne(t *testing.T) {
	s, err := server.Open(server.Config{Home: t.TempDir(), Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-served })
	invite, err := s.Invite(server.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	join := func(name string, policy RelayPolicy) *Node {
		n, err := Join(t.Context(), Config{Invite: invite, Name: name, Relay: policy})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	ada := join("ada", RelayAlways)
	join("ben", RelayAuto)
	first, err := ada.Ping(t.Context(), "ben")
	if err != nil || first.Path.Kind != Relayed {
		t.Fatalf("first path %v, %v, want relayed", first.Path.Kind, err)
	}

	ada.config.Relay = RelayAuto
	ada.client.Update()
	l := ada.links.to(target{name: "ben"})
	l.opened = l.opened.Add(-improveFirst) // as if it were that old
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C {
		ping, err := ada.Ping(t.Context(), "ben")
		if err != nil {
			t.Fatal(err)
		}
		if ping.Path.Kind == Direct {
			break
		}
		if time.Now().After(end) {
			t.Fatal("never direct")
		}
	}
}
