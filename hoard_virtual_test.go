//go:build !race

// It plays on memory_test.go's network, which the race detector makes slow.

package bodkin

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/memnet"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A hoarder is a member that calls a node which is open to all, and begins another session each time.
type hoarder struct {
	host *memnet.Host
	key  Key
	room identity.Room
	peer NodeID
	at   netip.AddrPort
}

// begin begins one more session, without the server and from any port.
func (h hoarder) begin() (*line.Line, error) {
	raw, err := h.host.Dial(context.Background(), h.host.Port(), h.at)
	if err != nil {
		return nil, err
	}
	attempt := wire.AttemptID(h.room.LocalAttempt(h.peer))
	if _, err := raw.Write(wire.Preface{Attempt: attempt}.Append(nil)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(raw, make([]byte, wire.PrefaceLen)); err != nil {
		return nil, err
	}
	config, err := identity.PeerConfig(h.key, h.room, h.peer)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := errors.Join(wire.Write(conn, &wire.Nominate{Attempt: attempt[:]}), wire.Write(conn, &wire.Profile{Name: "ada"})); err != nil {
		return nil, err
	}
	l := line.New(line.Config{})
	if err := l.Attach(context.Background(), line.Carrier{Conn: conn}); err != nil {
		return l, err
	}
	_, err = io.ReadFull(l, make([]byte, 1)) // its session says that it is there
	return l, err
}

// TestAPeerThatBeginsSessionsWithoutEndIsBounded: what a peer may cost holds for each session, so there must not be any number of them.
//
// Seen to fail: without the limit there are 101.
func TestAPeerThatBeginsSessionsWithoutEndIsBounded(t *testing.T) {
	playPairOn(t, false, func(p *virtualPair) {
		ada, ben := p.nodes[0], p.nodes[1]
		h := hoarder{p.hosts[0], ada.config.Key, ada.config.Invite.Room, ben.id, netip.AddrPortFrom(p.hosts[1].Addr(), ben.Port())}
		for range 100 {
			l, err := h.begin()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			time.Sleep(time.Second) // no more than five in one are taken
		}
		if n := len(ben.links.with(ada.id)); n != sessionsOfPeer {
			t.Errorf("%d sessions with one peer, want %d", n, sessionsOfPeer)
		}
		p.word(t) // by the first session, which has a stream
		if l, err := h.begin(); err != nil {
			t.Errorf("the newest is turned away: %v", err)
		} else {
			defer l.Close()
		}
	})
}
