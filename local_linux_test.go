package bodkin_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// TestNodesOnOneLinkFindEachOtherWithoutTheServer kills the server before the first dial.
func TestNodesOnOneLinkFindEachOtherWithoutTheServer(t *testing.T) {
	for name, who := range map[string]func(*bodkin.Node) string{
		"by name": func(b *bodkin.Node) string { return b.Name() },
		"by id":   func(b *bodkin.Node) string { return b.ID().String() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			nat := w.lab.NAT("home", natlab.PortRestrictedCone())
			a := w.join(t, behind(nat, "a"), bodkin.Config{Name: "ada", NoPortMapping: true})
			logB, logD := newNotes(), newNotes()
			b := w.join(t, behind(nat, "b"), bodkin.Config{Name: "ben", NoPortMapping: true, Log: slog.New(logB)})
			stranger := w.join(t, behind(nat, "c"), bodkin.Config{Name: "cid", NoPortMapping: true, NoLAN: true})
			d := w.join(t, behind(nat, "d"), bodkin.Config{Name: "dia", NoPortMapping: true, Log: slog.New(logD)})
			echo(t, b, "echo")
			lost := watch(t, a)
			logB.await(t, "listening on the link")
			logD.await(t, "listening on the link")
			w.stop()
			awaitEvent(t, lost, bodkin.ServerLost)

			began := time.Now()
			conn, err := a.Dial(t.Context(), who(b), "echo")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			dialled := time.Since(began)
			if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
				t.Errorf("echo: got %q, %v", answer, err)
			}
			t.Logf("first byte sendable after %.1f ms, answered after %.1f ms", ms(dialled), ms(time.Since(began)))
			began = time.Now()
			if ping, err := a.Ping(t.Context(), who(d)); err != nil || ping.Path.Kind != bodkin.Direct {
				t.Errorf("the other one: %+v, %v", ping, err)
			}
			t.Logf("linked to one that was heard before after %.1f ms", ms(time.Since(began)))
			if path := conn.Path(); path.Kind != bodkin.Direct || path.Candidate != "host" {
				t.Errorf("path %+v, want direct to a host candidate", path)
			}
			peers, err := a.Peers(t.Context())
			if err != nil || !slices.ContainsFunc(peers, func(p bodkin.Peer) bool { return p.ID == b.ID() && p.Online && p.Path != nil }) {
				t.Errorf("peers are %+v, %v", peers, err)
			}
			if _, err := a.Dial(t.Context(), stranger.ID().String(), "echo"); err == nil {
				t.Error("a node that takes no part was found")
			}
			for _, f := range w.lab.Flows() {
				if f.Network == "internet" && f.Protocol == "udp" {
					t.Errorf("UDP left the home: %v to %v", f.Src, f.Dst)
				}
			}
		})
	}
}

// TestTheLinkHearsNothingOfTheRoom records what two nodes say on their link.
func TestTheLinkHearsNothingOfTheRoom(t *testing.T) {
	w := newWorld(t)
	nat := w.lab.NAT("home", natlab.PortRestrictedCone())
	said := recording{more: make(chan struct{}, 1)}
	stop, err := w.lab.Capture(&said, nat)
	if err != nil {
		t.Fatal(err)
	}
	a := w.join(t, behind(nat, "a"), bodkin.Config{Name: "ada-of-the-link", NoPortMapping: true})
	b := w.join(t, behind(nat, "b"), bodkin.Config{Name: "ben-of-the-link", NoPortMapping: true})
	events := watch(t, b)
	awaitEvent(t, events, bodkin.Current)
	said.await(t, "_bodkin", func() bool { return said.contains("_bodkin") })
	said.await(t, "a beacon", func() bool { return len(said.beacons()) > 0 })
	stop()
	room := w.invite.Room.ID()
	for name, secret := range map[string]string{
		"name": "of-the-link", "node id": string(idBytes(a)), "text of a node id": a.ID().String()[5:],
		"room id": string(room[:]), "base32 of the room id": base32.StdEncoding.EncodeToString(room[:]),
	} {
		if said.contains(secret) {
			t.Errorf("the %s is told on the link", name)
		}
		for _, beacon := range said.beacons() {
			if bytes.Contains(beacon, []byte(secret)) {
				t.Errorf("the %s is in a beacon: %q", name, beacon)
			}
		}
	}
	if len(said.beacons()) == 0 {
		t.Error("no beacon was recorded")
	}
}

func idBytes(n *bodkin.Node) []byte { id := n.ID(); return id[:] }

// A recording is what was captured.
type recording struct {
	mu   sync.Mutex
	all  bytes.Buffer
	more chan struct{} // holds one
}

func (r *recording) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	return r.all.Write(b)
}

// beacons is what the strings of TXT records hold.
func (r *recording) beacons() (all [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, found := range regexp.MustCompile("0=([A-Za-z0-9+/]{40,})").FindAllSubmatch(r.all.Bytes(), -1) {
		beacon, _ := base64.RawStdEncoding.DecodeString(string(found[1][:len(found[1])&^3])) // the end may belong to what follows
		all = append(all, beacon)
	}
	return all
}

func (r *recording) await(t *testing.T, what string, isSaid func() bool) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for !isSaid() {
		select {
		case <-r.more:
		case <-timeout:
			t.Fatalf("never said: %s", what)
		}
	}
}

func (r *recording) contains(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.all.Bytes(), []byte(text))
}
