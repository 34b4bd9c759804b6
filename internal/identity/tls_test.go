package identity

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestANodeAndItsServerRecogniseEachOther(t *testing.T) {
	server, key := newServer(t), newKey(t)
	c, s := handshake(t, server.nodeConfig(t, key, nil), server.config, loopback(t))
	requireNode(t, s, key.NodeID(), server.room.ID())
	state := c.ConnectionState()
	if state.CurveID != tls.X25519MLKEM768 || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != ServerProtocol {
		t.Errorf("got %v, %#x, %q", state.CurveID, state.Version, state.NegotiatedProtocol)
	}
	if _, _, err := Authenticated(state); !errors.Is(err, ErrNoProof) {
		t.Errorf("the server passes for a node: %v", err)
	}
}

func TestARoomTheServerDoesNotKnowGetsThroughToBeRefused(t *testing.T) {
	server, key, room := newServer(t), newKey(t), newRoom(t)
	config, err := NodeConfig(key, room, server.key.ServerID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, s := handshake(t, config, server.config, loopback(t))
	requireNode(t, s, key.NodeID(), room.ID())
}

func TestAnotherServerIsRefused(t *testing.T) {
	server, room := newServer(t), newRoom(t)
	config, err := NodeConfig(newKey(t), room, newKey(t).ServerID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, clientErr, serverErr := tryHandshake(config, server.config, loopback(t))
	if !errors.Is(clientErr, ErrWrongServer) || !strings.Contains(clientErr.Error(), server.key.ServerID().String()) {
		t.Errorf("client: %v", clientErr)
	}
	if serverErr == nil {
		t.Error("the server does not notice")
	}
}

func TestPeersRecogniseEachOtherInEitherRole(t *testing.T) {
	room, a, b := newRoom(t), newKey(t), newKey(t)
	for range 2 {
		c, s := handshake(t, peerConfig(t, a, room, b.NodeID()), peerConfig(t, b, room, a.NodeID()), loopback(t))
		requireNode(t, c, b.NodeID(), room.ID())
		requireNode(t, s, a.NodeID(), room.ID())
		a, b = b, a
	}
}

func TestStrangersAreRefusedByPeers(t *testing.T) {
	room, other := newRoom(t), newRoom(t)
	a, b, stranger := newKey(t), newKey(t), newKey(t)
	toB := peerConfig(t, a, room, b.NodeID())
	toA := peerConfig(t, b, room, a.NodeID())
	server := newServer(t)
	fromServer, err := ServerConfig(b, nil) // b's key, but no room vouches for it
	if err != nil {
		t.Fatal(err)
	}
	fromServer.NextProtos = []string{PeerProtocol}
	blind := peerConfig(t, a, other, b.NodeID()) // takes anybody
	blind.VerifyConnection = nil

	tests := []struct {
		name                 string
		client, server       *tls.Config
		clientErr, serverErr error // nil: whatever the other side's refusal looks like
	}{
		{name: "another node answers", client: toB, server: peerConfig(t, stranger, room, a.NodeID()), clientErr: ErrWrongPeer},
		{name: "another node calls", client: peerConfig(t, stranger, room, b.NodeID()), server: toA, serverErr: ErrWrongPeer},
		{name: "the node answers from another room", client: toB, server: peerConfig(t, b, other, a.NodeID()), clientErr: ErrWrongRoom},
		{name: "the node calls from another room", client: peerConfig(t, a, other, b.NodeID()), server: toA, clientErr: ErrWrongRoom},
		{name: "a node from another room calls blindly", client: blind, server: toA, serverErr: ErrWrongRoom},
		{name: "a node calls itself", client: toB, server: peerConfig(t, a, room, a.NodeID()), clientErr: ErrWrongPeer},
		{name: "the key answers, outside of the room", client: toB, server: fromServer, clientErr: ErrNoProof},
		{name: "a rendezvous server answers", client: toB, server: server.config},
		{name: "a node calls as if at a server", client: server.nodeConfig(t, a, nil), server: toA},
	}
	for _, tt := range tests {
		_, _, clientErr, serverErr := tryHandshake(tt.client, tt.server, loopback(t))
		if clientErr == nil || serverErr == nil {
			t.Errorf("%s: one side noticed nothing: client %v, server %v", tt.name, clientErr, serverErr)
		}
		if tt.clientErr != nil && !errors.Is(clientErr, tt.clientErr) {
			t.Errorf("%s: client: got %v, want %v", tt.name, clientErr, tt.clientErr)
		}
		if tt.serverErr != nil && !errors.Is(serverErr, tt.serverErr) {
			t.Errorf("%s: server: got %v, want %v", tt.name, serverErr, tt.serverErr)
		}
	}
}

func TestOthersThanBodkinAreRefusedByTheServer(t *testing.T) {
	server, key := newServer(t), newKey(t)
	for name, change := range map[string]func(*tls.Config){
		"no certificate":    func(c *tls.Config) { c.Certificates = nil },
		"no ALPN":           func(c *tls.Config) { c.NextProtos = nil },
		"another ALPN":      func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} },
		"TLS 1.2":           func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		"another's key":     func(c *tls.Config) { c.Certificates[0].PrivateKey = newKey(t).private },
		"two certificates":  func(c *tls.Config) { addCertificate(c, c.Certificates[0].Certificate[0]) },
		"a server's":        func(c *tls.Config) { c.Certificates = mustCertificate(t, key, key.private) },
		"ECDSA certificate": func(c *tls.Config) { c.Certificates = ecdsaCertificate(t) },
	} {
		config := server.nodeConfig(t, key, nil)
		change(config)
		_, _, clientErr, serverErr := tryHandshake(config, server.config, loopback(t))
		if clientErr == nil || serverErr == nil {
			t.Errorf("%s: client %v, server %v", name, clientErr, serverErr)
		}
	}
}

func TestAServerWithoutALPNIsRefused(t *testing.T) {
	server := newServer(t)
	config := server.config.Clone()
	config.NextProtos, config.VerifyConnection = nil, nil
	_, _, err, _ := tryHandshake(server.nodeConfig(t, newKey(t), nil), config, loopback(t))
	if !errors.Is(err, ErrWrongProtocol) {
		t.Errorf("got %v", err)
	}
}

func TestWrongClocksDoNotMatter(t *testing.T) {
	clocks := []time.Time{time.Unix(0, 0), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Now(), time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, here := range clocks {
		for _, there := range clocks {
			server, key := newServer(t), newKey(t)
			server.config.Time = func() time.Time { return there }
			config := server.nodeConfig(t, key, tls.NewLRUClientSessionCache(1))
			config.Time = func() time.Time { return here }
			for i := range 2 {
				_, s := handshake(t, config, server.config, loopback(t))
				requireNode(t, s, key.NodeID(), server.room.ID())
				if resumed := s.ConnectionState().DidResume; resumed != (i == 1) {
					t.Errorf("node in %d, server in %d: connection %d resumed: %v", here.Year(), there.Year(), i, resumed)
				}
			}
		}
	}
}

func TestResumedSessionsProveTheSame(t *testing.T) {
	server, key := newServer(t), newKey(t)
	config := server.nodeConfig(t, key, tls.NewLRUClientSessionCache(1))
	for i := range 4 {
		c, s := handshake(t, config, server.config, loopback(t)) // at another address each time
		requireNode(t, s, key.NodeID(), server.room.ID())
		if c.ConnectionState().DidResume != (i > 0) || s.ConnectionState().CurveID != tls.X25519MLKEM768 {
			t.Errorf("connection %d: resumed %v, key exchange %v", i, c.ConnectionState().DidResume, s.ConnectionState().CurveID)
		}
	}
}

func TestOneCacheKeepsSessionsOfRoomsNodesAndServersApart(t *testing.T) {
	cache := tls.NewLRUClientSessionCache(10)
	one, two := newServer(t), newServer(t)
	two.room = newRoom(t)
	keys := []Key{newKey(t), newKey(t)}
	for round := range 2 {
		for _, server := range []testServer{one, two, {one.key, two.room, one.config}} {
			for _, key := range keys {
				_, s := handshake(t, server.nodeConfig(t, key, cache), server.config, loopback(t))
				requireNode(t, s, key.NodeID(), server.room.ID())
				if resumed := s.ConnectionState().DidResume; resumed != (round == 1) {
					t.Errorf("round %d: resumed %v", round, resumed)
				}
			}
		}
	}
}

func TestWithoutCacheOrTicketsNothingIsResumed(t *testing.T) {
	server, key := newServer(t), newKey(t)
	withoutTickets, err := ServerConfig(server.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	cached := server.nodeConfig(t, key, tls.NewLRUClientSessionCache(1))
	room := newRoom(t)
	a, b := newKey(t), newKey(t)
	for name, configs := range map[string][2]*tls.Config{
		"no cache":   {server.nodeConfig(t, key, nil), server.config},
		"no tickets": {cached, withoutTickets},
		"peers":      {peerConfig(t, a, room, b.NodeID()), peerConfig(t, b, room, a.NodeID())},
	} {
		configs[0].ServerName = "x" // so that crypto/tls would find its own way to the cache
		for range 2 {
			if _, s := handshake(t, configs[0], configs[1], loopback(t)); s.ConnectionState().DidResume {
				t.Errorf("%s: resumed", name)
			}
		}
	}
}

func requireNode(t *testing.T, conn *tls.Conn, id NodeID, room RoomID) {
	t.Helper()
	gotID, gotRoom, err := Authenticated(conn.ConnectionState())
	if gotID != id || gotRoom != room || err != nil {
		t.Errorf("Authenticated: got %v in %v, %v, want %v in %v", gotID, gotRoom, err, id, room)
	}
}

func peerConfig(t *testing.T, key Key, room Room, peer NodeID) *tls.Config {
	t.Helper()
	config, err := PeerConfig(key, room, peer)
	if err != nil {
		t.Fatal(err)
	}
	return config
}
