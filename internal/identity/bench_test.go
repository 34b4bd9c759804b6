package identity

import (
	"crypto/tls"
	"testing"
)

// BenchmarkHandshake runs both sides on loopback, so its time is the CPU of node and server together.
// What the server alone spends is BenchmarkServerHandshakeCPU's matter.
func BenchmarkHandshake(b *testing.B) {
	server := newServer(b)
	room, dialer, peer := newRoom(b), newKey(b), newKey(b)
	to, err := PeerConfig(dialer, room, peer.NodeID())
	if err != nil {
		b.Fatal(err)
	}
	from, err := PeerConfig(peer, room, dialer.NodeID())
	if err != nil {
		b.Fatal(err)
	}
	key, cache := newKey(b), tls.NewLRUClientSessionCache(1)
	for _, bench := range []struct {
		name           string
		client, server *tls.Config
	}{
		{"full", server.nodeConfig(b, key, nil), server.config},
		{"resumed", server.nodeConfig(b, key, cache), server.config},
		{"peers", to, from},
	} {
		b.Run(bench.name, func(b *testing.B) {
			p := loopback(b)
			handshake(b, bench.client, bench.server, p) // fills the cache
			p.close()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				p := loopback(b)
				b.StartTimer()
				handshake(b, bench.client, bench.server, p)
				b.StopTimer()
				p.close()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkAuthenticated is what an accepted connection costs once more to ask who it is.
func BenchmarkAuthenticated(b *testing.B) {
	server := newServer(b)
	_, s := handshake(b, server.nodeConfig(b, newKey(b), nil), server.config, loopback(b))
	state := s.ConnectionState()
	for b.Loop() {
		if _, _, err := Authenticated(state); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	room, id, profile := newRoom(b), NodeID{1}, make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		room.Seal(id, profile)
	}
}

func BenchmarkParseInvite(b *testing.B) {
	text := sampleInvite().String()
	for b.Loop() {
		if _, err := ParseInvite(text); err != nil {
			b.Fatal(err)
		}
	}
}
