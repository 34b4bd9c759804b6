package rendezvous

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// news tells the client of presence, in words like "begin +1a ~1b -2 end": a node by one digit, its profile by the rest.
func (p *playedConn) news(words string) {
	for word := range strings.FieldsSeq(words) {
		m := &wire.ServerMessage{}
		switch word {
		case "begin":
			m.Body = &wire.ServerMessage_SnapshotBegin{SnapshotBegin: &wire.SnapshotBegin{}}
		case "end":
			m.Body = &wire.ServerMessage_SnapshotEnd{SnapshotEnd: &wire.SnapshotEnd{}}
		default:
			id := identity.NodeID{word[1]}
			kind := map[byte]wire.Presence_Kind{'+': wire.Presence_KIND_JOINED, '~': wire.Presence_KIND_CHANGED, '-': wire.Presence_KIND_LEFT}[word[0]]
			presence := &wire.Presence{Kind: kind, Node: id[:], SealedProfile: []byte(word[2:])}
			if kind != wire.Presence_KIND_LEFT {
				presence.NameTag = make([]byte, wire.NameTagLen)
			}
			m.Body = &wire.ServerMessage_Presence{Presence: presence}
		}
		p.say(m)
	}
}

// An audience is one Watch, and what it was told in the same words.
type audience struct {
	words []string
	stop  context.CancelFunc
}

func (s *stage) watch() *audience {
	a := &audience{}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(s.t.Context())
	go func() {
		for e := range s.client.Watch(ctx) {
			sign := map[EventKind]string{Joined: "+", Changed: "~", Left: "-"}[e.Kind]
			if e.Kind == Synced {
				a.words = append(a.words, "synced")
			} else {
				a.words = append(a.words, fmt.Sprintf("%s%c%s", sign, e.Node[0], e.Sealed))
			}
		}
	}()
	return a
}

func (a *audience) expect(t *testing.T, what, want string) {
	t.Helper()
	synctest.Wait()
	if got := strings.Join(a.words, " "); got != want {
		t.Errorf("%s: told %q, want %q", what, got, want)
	}
	a.words = nil
}

func TestWatchSurvivesReconnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.run()
		a := s.watch()
		p := s.welcomed(plainWelcome)
		if m := p.next(); !m.GetWatch().GetOn() {
			t.Fatalf("asked %v, want Watch", m)
		}
		p.news("begin +1a +2b +3c end")
		a.expect(t, "snapshot", "+1a +2b +3c synced")
		p.news("+4d ~1A -2 ~3c -9 +5e")
		a.expect(t, "changes", "+4d ~1A -2 +5e")
		late := s.watch()
		synctest.Wait()
		if got := strings.Join(late.words, " "); len(late.words) != 5 || !strings.HasSuffix(got, "synced") {
			t.Errorf("a second Watch is told %q, want four nodes and synced", got)
		}
		late.stop()

		p.raw.Close()
		a.expect(t, "connection lost", "")
		p = s.welcomed(plainWelcome)
		p.next() // Watch
		p.news("begin +1A +3C +6f end")
		synctest.Wait()
		got := map[string]bool{}
		for _, w := range a.words {
			got[w] = true
		}
		if len(a.words) != 5 || !got["~3C"] || !got["-4"] || !got["-5"] || !got["+6f"] || a.words[4] != "synced" {
			t.Errorf("after the return: told %q, want what changed", a.words)
		}
		a.words = nil
		p.news("begin +1A end")
		synctest.Wait()
		if got := strings.Join(a.words, " "); got != "-3 -6 synced" && got != "-6 -3 synced" {
			t.Errorf("after a new snapshot on the same connection: %q", got)
		}
		a.stop()
		if m := p.next(); m.GetWatch() == nil || m.GetWatch().On {
			t.Errorf("after the last Watch the server is told %v, want Watch off", m)
		}
	})
}

func TestSlowWatchGetsTheSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster(func(bool) {})
		v := r.open()
		apply := func(sign wire.Presence_Kind, node byte, profile string) {
			id := identity.NodeID{node}
			r.apply(&wire.Presence{Kind: sign, Node: id[:], SealedProfile: []byte(profile), NameTag: make([]byte, wire.NameTagLen)})
		}
		for i := range 1000 {
			apply(wire.Presence_KIND_JOINED, 1, fmt.Sprint("profile ", i))
			apply(wire.Presence_KIND_JOINED, 2, "x")
			apply(wire.Presence_KIND_LEFT, 2, "")
		}
		if len(v.queue) != 2 {
			t.Errorf("%d events wait, want one for each node", len(v.queue))
		}
		if e, ok := r.next(t.Context(), v); !ok || e.Kind != Joined || string(e.Sealed) != "profile 999" {
			t.Errorf("told %v %q, %v; want the last profile", e.Kind, e.Sealed, ok)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if e, ok := r.next(ctx, v); ok {
			t.Errorf("told %v of a node that came and went", e)
		}
	})
}
