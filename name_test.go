package bodkin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

// TestAMemberCannotGoByAnothersName has a member register one name and bear another in its profile, which the server cannot read.
//
// Seen to fail where the profile is not held against the tag: ada lists two of the name ben, is linked with the wrong one, and takes its calls.
func TestAMemberCannotGoByAnothersName(t *testing.T) {
	invite := roomServer(t)
	mallory := register(t, invite, "mallory", "ben")
	ada := joinAs(t, invite, "ada", false)

	if peers, err := ada.Peers(t.Context()); err != nil || len(peers) != 0 {
		t.Errorf("ada sees %v, %v", peers, err)
	}
	for _, peer := range []string{"mallory", mallory.id.String()} {
		if _, err := ada.Ping(t.Context(), peer); !errors.Is(err, errWrongName) {
			t.Errorf("ping %s: %v, want %v", peer, err, errWrongName)
		}
	}
	if _, err := ada.Ping(t.Context(), "ben"); !errors.Is(err, ErrPeerUnavailable) {
		t.Errorf("ping ben: %v, want %v", err, ErrPeerUnavailable)
	}
	called, err := mallory.Introduce(t.Context(), rendezvous.ByNode(ada.ID()))
	if err != nil {
		t.Fatal(err)
	}
	for a := (*attempt)(nil); a == nil; a = ada.attempts.find(called.Attempt) {
		select {
		case <-time.After(time.Millisecond): // her introduction is on its way
		case <-t.Context().Done():
			t.Fatal("ada was not told of the call")
		}
	}
	a := ada.attempts.find(called.Attempt)
	<-a.done
	if !errors.Is(a.err, errWrongName) {
		t.Errorf("ada takes the call: %v, want %v", a.err, errWrongName)
	}
}

// A member is no more of a node than its client.
type member struct {
	*rendezvous.Client
	id NodeID
}

// register makes a member with one name for the server and another one for the room.
func register(t *testing.T, invite Invite, registered, borne string) member {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	config, err := identity.NodeConfig(key, invite.Room, invite.Server, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := member{id: key.NodeID(), Client: rendezvous.NewClient(rendezvous.ClientConfig{
		Servers: invite.Servers,
		Dial: func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", remote.String())
		},
		TLS: config,
		Profile: func() rendezvous.Registration {
			return rendezvous.Registration{Primary: true, Software: "test", NameTag: invite.Room.NameTag(registered),
				Sealed: invite.Room.Seal(key.NodeID(), profile{name: borne}.marshal())}
		},
	})}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	if _, err := m.Registered(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}
