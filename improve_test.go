package bodkin

import (
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/server"
)

// TestRelayedSessionGivesWayToADirectOne has a node change its mind about the relay, in place of a network that changes.
func TestRelayedSessionGivesWayToADirectOne(t *testing.T) {
	invite := serve(t, server.Config{})
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
