package identity

import (
	"bytes"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSessionsOutliveAServerRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "tickets")
	server, key, now := newServer(t), newKey(t), time.Now()
	client := server.nodeConfig(t, key, tls.NewLRUClientSessionCache(1))

	handshake(t, client, restart(t, server, path, now), loopback(t))
	config := restart(t, server, path, now.Add(time.Hour))
	_, s := handshake(t, client, config, loopback(t))
	requireNode(t, s, key.NodeID(), server.room.ID())
	if !s.ConnectionState().DidResume {
		t.Error("not resumed")
	}
}

func TestTicketsWorkUntilTheirKeyIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickets")
	server, now := newServer(t), time.Now()
	for rotations, want := range []bool{true, true, true, false} {
		client := server.nodeConfig(t, newKey(t), tls.NewLRUClientSessionCache(1))
		handshake(t, client, restart(t, server, path, now), loopback(t))
		for range rotations {
			now = now.Add(TicketKeyPeriod)
			restart(t, server, path, now)
		}
		_, s := handshake(t, client, restart(t, server, path, now), loopback(t))
		if got := s.ConnectionState().DidResume; got != want {
			t.Errorf("after %d rotations: resumed %v, want %v", rotations, got, want)
		}
	}
}

func TestRotationReachesTheConfigInUse(t *testing.T) {
	now := time.Now()
	tickets := mustTickets(t, filepath.Join(t.TempDir(), "tickets"), now)
	server := newServer(t)
	config, err := ServerConfig(server.key, tickets)
	if err != nil {
		t.Fatal(err)
	}
	client := server.nodeConfig(t, newKey(t), tls.NewLRUClientSessionCache(1))
	for i := range 3 {
		if _, s := handshake(t, client, config, loopback(t)); s.ConnectionState().DidResume != (i > 0) {
			t.Errorf("connection %d: resumed %v", i, s.ConnectionState().DidResume)
		}
		now = now.Add(TicketKeyPeriod)
		if changed, err := tickets.Rotate(now); !changed || err != nil {
			t.Errorf("Rotate: %v, %v", changed, err)
		}
		tickets.Apply(config)
	}
}

func TestTicketKeysRotateWhenDue(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		age  time.Duration
		want bool
	}{
		{0, false},
		{TicketKeyPeriod - 2*time.Second, false},
		{TicketKeyPeriod + time.Second, true},
		{-time.Hour, false},                 // the clock was set back a little
		{-100 * 365 * 24 * time.Hour, true}, // the key was made while the clock was wrong
	} {
		tickets := mustTickets(t, filepath.Join(t.TempDir(), "tickets"), now)
		first := tickets.keys[0]
		changed, err := tickets.Rotate(now.Add(tt.age))
		if changed != tt.want || err != nil {
			t.Errorf("at age %v: got %v, %v, want %v", tt.age, changed, err, tt.want)
		}
		if changed && (len(tickets.keys) != 2 || !bytes.Equal(tickets.keys[1].Key, first.Key)) {
			t.Errorf("at age %v: the key before is gone", tt.age)
		}
		if again, _ := tickets.Rotate(now.Add(tt.age)); again {
			t.Errorf("at age %v: rotated twice", tt.age)
		}
	}
}

func TestKeysThatCannotBeKeptAreNotUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	now := time.Now()
	tickets := mustTickets(t, filepath.Join(dir, "tickets"), now)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in the way
		t.Fatal(err)
	}
	if changed, err := tickets.Rotate(now.Add(TicketKeyPeriod)); changed || err == nil || len(tickets.keys) != 1 {
		t.Errorf("got %v, %v, %d keys", changed, err, len(tickets.keys))
	}
}

func TestDamagedTicketFilesAreLeftAsTheyAre(t *testing.T) {
	for name, data := range map[string]string{
		"empty":     "",
		"no keys":   "[]",
		"garbage":   "\x00\xff",
		"short key": `[{"created":"2026-01-01T00:00:00Z","key":"AAAA"}]`,
		"four keys": `[{},{},{},{}]`,
	} {
		path := filepath.Join(t.TempDir(), "tickets")
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateTicketKeys(path, time.Now()); !errors.Is(err, ErrTicketsDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
		if after, _ := os.ReadFile(path); string(after) != data {
			t.Errorf("%s: the file was changed to %q", name, after)
		}
	}
}

func FuzzTicketFile(f *testing.F) {
	f.Add([]byte("[]"))
	f.Add([]byte(`[{"created":"2026-01-01T00:00:00Z","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseTicketKeys(data)
		if err == nil && (len(keys) == 0 || len(keys) > ticketKeysKept || len(keys[0].Key) != 32) || err != nil && !errors.Is(err, ErrTicketsDamaged) {
			t.Errorf("got %v, %v", keys, err)
		}
	})
}

// restart returns the Config with which the server starts at now, on the ticket keys in path.
func restart(t *testing.T, server testServer, path string, now time.Time) *tls.Config {
	t.Helper()
	config, err := ServerConfig(server.key, mustTickets(t, path, now))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func mustTickets(t *testing.T, path string, now time.Time) *TicketKeys {
	t.Helper()
	tickets, err := LoadOrCreateTicketKeys(path, now)
	if err != nil {
		t.Fatal(err)
	}
	return tickets
}
