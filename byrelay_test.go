package bodkin

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
	"github.com/bodkin-p2p/bodkin/server"
)

// TestANodeDoesNotTakeItsOwnWordsForThePeers has a server that introduces a node twice in one attempt, once in each role, and a relay that
// gives the node in the second what it has said in the first.
func TestANodeDoesNotTakeItsOwnWordsForThePeers(t *testing.T) {
	invite := serve(t, server.Config{})
	join := func(name string) *Node {
		n, err := Join(t.Context(), Config{Invite: invite, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	ada, ben := join("ada"), join("ben")
	if ping, err := ada.Ping(t.Context(), "ben"); err != nil || ping.Path.Kind != Direct {
		t.Fatalf("%+v, %v", ping, err)
	}
	// come has ada come by a relay that answers with some words, and returns what ada says there.
	come := func(role rendezvous.Role, answer []byte) (said []byte, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		near, relay := net.Pipe()
		heard := make(chan []byte)
		go func() {
			var said []byte
			b := make([]byte, 1<<16)
			for len(said) < wire.PrefaceLen+100 { // preface, nonce and the record with the hello
				n, err := relay.Read(b)
				if said = append(said, b[:n]...); err != nil {
					break
				}
			}
			go io.Copy(io.Discard, relay)
			relay.Write(answer)
			relay.Close()
			heard <- said
		}()
		way := &punch.Relay{Dial: func(context.Context) (net.Conn, error) { return near, nil }}
		_, err = ada.comeByRelay(ctx, &attempt{id: wire.AttemptID{7}, peer: ben.id, role: role}, way)
		return <-heard, err
	}
	said, err := come(rendezvous.Dialer, nil)
	if err == nil || len(said) < wire.PrefaceLen+100 {
		t.Fatalf("said %d bytes to nobody, %v", len(said), err)
	}
	if _, err := come(rendezvous.Callee, said); err == nil {
		t.Error("a carrier of a node's own words")
	}
}
