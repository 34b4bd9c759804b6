package server

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestFirstRegistrationIsWelcomed(t *testing.T) {
	s := newTestServer(t, Limits{})
	s.holePorts = []uint32{8000}
	a := connect(s, 1, 1)
	if err := a.say(registering(1, true)); err != nil {
		t.Fatal(err)
	}
	messages := a.take()
	if len(messages) != 1 || messages[0].GetWelcome() == nil {
		t.Fatalf("sent %v, want Welcome", messages)
	}
	w := messages[0].GetWelcome()
	if w.Observed.AddrPort() != a.remote || !slices.Equal(w.HolePorts, []uint32{8000}) || w.PingIntervalMs != 20_000 {
		t.Errorf("welcome is %v", w)
	}
	if number, ok := s.tokens.check(w.HoleToken); !ok || number != a.number {
		t.Errorf("hole token is of connection %d, %v", number, ok)
	}
	a.say(registering(1, true))
	if again := a.take(); len(again) != 0 {
		t.Errorf("second registration is answered with %v", again)
	}
}

func TestFirstMessageMustBeRegister(t *testing.T) {
	s := newTestServer(t, Limits{})
	a := connect(s, 1, 1)
	a.say(pingMessage(0))
	if code := a.refusal(t); code != wire.Refused_CODE_BAD_MESSAGE {
		t.Errorf("refused with %v", code)
	}
}

func TestReasonsAreFitForPeople(t *testing.T) {
	s := newTestServer(t, Limits{})
	a := connect(s, 1, 1)
	a.refuse(wire.Refused_CODE_BAD_MESSAGE, "bad\u00a0\x1b[31m\xff"+strings.Repeat("\u00e9", 200), 0)
	messages := a.take()
	if len(messages) != 1 {
		t.Fatalf("sent %v, want Refused", messages)
	}
	if text := messages[0].GetRefused().Text; !strings.HasPrefix(text, "bad  [31m \u00e9") || len(text) > wire.MaxText || len(text) < wire.MaxText-1 {
		t.Errorf("text is %q, %d bytes", text, len(text))
	}
}

func TestOtherVersionsAreRefused(t *testing.T) {
	s := newTestServer(t, Limits{})
	a := connect(s, 1, 1)
	m := registering(1, true)
	m.GetRegister().Version = 2
	a.say(m)
	if code := a.refusal(t); code != wire.Refused_CODE_VERSION {
		t.Errorf("refused with %v", code)
	}
}

func TestNewerPrimaryReplacesTheOlder(t *testing.T) {
	s := newTestServer(t, Limits{})
	old, caller := join(s, 1, 1), join(s, 1, 2)
	newer := join(s, 1, 1)
	if code := old.refusal(t); code != wire.Refused_CODE_REPLACED {
		t.Errorf("older one is refused with %v", code)
	}
	s.drop(old.conn, "test")
	caller.say(dialNode(1, 1))
	if messages := newer.take(); len(messages) != 1 || messages[0].GetIntroduction() == nil {
		t.Errorf("newer one got %v, want the introduction", messages)
	}
}

func TestNameIsHeldByALivingNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		holder := join(s, 1, 1)
		sameName := registering(2, true)
		sameName.GetRegister().NameTag = registering(1, true).GetRegister().NameTag

		early := connect(s, 1, 2)
		early.say(sameName)
		if code := early.refusal(t); code != wire.Refused_CODE_NAME_TAKEN {
			t.Errorf("refused with %v", code)
		}
		time.Sleep(s.limits.silence() + time.Second)
		late := connect(s, 1, 2)
		late.say(sameName)
		if messages := late.take(); len(messages) != 1 || messages[0].GetWelcome() == nil {
			t.Errorf("after the holder's silence: %v, want Welcome", messages)
		}
		if code := holder.refusal(t); code != wire.Refused_CODE_NAME_TAKEN {
			t.Errorf("silent holder is refused with %v", code)
		}
		elsewhere := connect(s, 2, 3)
		elsewhere.say(sameName)
		if messages := elsewhere.take(); len(messages) != 1 || messages[0].GetWelcome() == nil {
			t.Errorf("in another room: %v, want Welcome", messages)
		}
	})
}

// A transient that goes by another's name would be taken for it by whom it calls.
func TestTransientsMayNotBearANameThatAnotherHolds(t *testing.T) {
	s := newTestServer(t, Limits{})
	nameOf1 := func(n uint64) *wire.ClientMessage {
		m := registering(n, false)
		m.GetRegister().NameTag = registering(1, true).GetRegister().NameTag
		return m
	}
	early := connect(s, 1, 2)
	early.say(nameOf1(2)) // nobody holds it yet
	early.take()
	join(s, 1, 1)
	peer := join(s, 1, 3)
	late := connect(s, 1, 4)
	late.say(nameOf1(4))
	if code := late.refusal(t); code != wire.Refused_CODE_NAME_TAKEN {
		t.Errorf("refused with %v", code)
	}
	early.say(dialNode(1, 3))
	if messages := early.take(); len(messages) != 1 || messages[0].GetDialFailed().GetCode() != wire.DialFailed_CODE_NOT_HERE {
		t.Errorf("the one that came before got %v, want that nobody is here", messages)
	}
	if messages := peer.take(); len(messages) != 0 {
		t.Errorf("who it dialled got %v", messages)
	}
	own := connect(s, 1, 1)
	own.say(registering(1, false))
	own.take()
	own.say(dialNode(1, 3))
	if name := own.introduced(t).NameTag; !bytes.Equal(name, registering(3, true).GetRegister().NameTag) {
		t.Errorf("introduced to %x", name)
	}
	if name := peer.introduced(t).NameTag; !bytes.Equal(name, registering(1, true).GetRegister().NameTag) {
		t.Errorf("introduced by %x", name)
	}
}

func TestNodeMayChangeItsName(t *testing.T) {
	s := newTestServer(t, Limits{})
	a := join(s, 1, 1)
	renamed := registering(1, true)
	renamed.GetRegister().NameTag = make([]byte, wire.NameTagLen)
	a.say(renamed)
	b := connect(s, 1, 2)
	takesOld := registering(2, true)
	takesOld.GetRegister().NameTag = registering(1, true).GetRegister().NameTag
	b.say(takesOld)
	if messages := b.take(); len(messages) != 1 || messages[0].GetWelcome() == nil {
		t.Errorf("the name that became free: %v, want Welcome", messages)
	}
	b.say(&wire.ClientMessage{Body: &wire.ClientMessage_Dial{Dial: &wire.Dial{Request: 1, Target: &wire.Dial_NameTag{NameTag: make([]byte, wire.NameTagLen)}}}})
	if messages := a.take(); len(messages) != 1 || messages[0].GetIntroduction() == nil {
		t.Errorf("dialled by its new name: %v, want an introduction", messages)
	}
}

func TestTransientsDialButAreNotReached(t *testing.T) {
	s := newTestServer(t, Limits{ConnectionsPerNode: 3})
	a, b := join(s, 1, 1), join(s, 1, 2)
	var transients []*fakeNode
	for range 2 {
		c := connect(s, 1, 1)
		c.say(registering(1, false))
		c.take()
		transients = append(transients, c)
	}
	if stats := s.Stats(); stats.Nodes != 2 || stats.Connections != 4 {
		t.Errorf("%+v, want 2 nodes on 4 connections", stats)
	}
	transients[0].say(dialNode(7, 2))
	if messages := transients[0].take(); len(messages) != 1 || messages[0].GetIntroduction().GetRequest() != 7 {
		t.Errorf("transient got %v, want an introduction", messages)
	}
	b.take()
	b.say(dialNode(8, 1))
	if messages := a.take(); len(messages) != 1 || messages[0].GetIntroduction() == nil {
		t.Errorf("primary got %v, want an introduction", messages)
	}
	oneTooMany := connect(s, 1, 1)
	oneTooMany.say(registering(1, false))
	if code := oneTooMany.refusal(t); code != wire.Refused_CODE_BUSY {
		t.Errorf("refused with %v", code)
	}
	s.drop(transients[1].conn, "test")
	again := connect(s, 1, 1)
	again.say(registering(1, false))
	if messages := again.take(); len(messages) != 1 || messages[0].GetWelcome() == nil {
		t.Errorf("after one left: %v, want Welcome", messages)
	}
}

func TestConnectionMayChangeItsKind(t *testing.T) {
	s := newTestServer(t, Limits{})
	a := join(s, 1, 1)
	a.say(registering(1, false))
	if stats := s.Stats(); stats.Nodes != 0 {
		t.Errorf("%d nodes after it became transient", stats.Nodes)
	}
	a.say(registering(1, true))
	if stats := s.Stats(); stats.Nodes != 1 {
		t.Errorf("%d nodes after it became primary again", stats.Nodes)
	}
	s.drop(a.conn, "test")
	if stats := s.Stats(); stats != (Stats{}) {
		t.Errorf("%+v is left", stats)
	}
	if len(a.room.transients) != 0 || len(a.room.members) != 0 || len(a.room.names) != 0 {
		t.Errorf("the room still has %d transients, %d members, %d names", len(a.room.transients), len(a.room.members), len(a.room.names))
	}
}

func TestObservedEndpointsAreNewestFirstAndBounded(t *testing.T) {
	s := newTestServer(t, Limits{})
	a := join(s, 1, 1)
	for i := range 6 {
		a.room.observe(a.conn, netip.AddrPortFrom(a.remote.Addr(), uint16(1000+i)), netip.Addr{})
	}
	a.room.observe(a.conn, netip.AddrPortFrom(a.remote.Addr(), 1004), netip.Addr{})
	a.room.observe(a.conn, a.remote, netip.Addr{})
	_, _, observed, _ := a.room.whereabouts(a.conn)
	got := fmt.Sprint(wire.AddrPorts(observed))
	want := fmt.Sprintf("[%[1]v:1004 %[1]v:1005 %[1]v:1003 %[2]v]", a.remote.Addr(), a.remote)
	if got != want {
		t.Errorf("observed %v, want %v", got, want)
	}
}

func TestSilentUnregisteredAndStuckConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		go s.sweeper.run(t.Context())
		silent, alive, stuck, unregistered := join(s, 1, 1), join(s, 1, 2), join(s, 1, 3), connect(s, 1, 4)
		time.Sleep(s.limits.RegisterTimeout + reapInterval + time.Millisecond)
		if !unregistered.far.isClosed() {
			t.Error("a connection that never registered is still open")
		}
		stuck.far.change(func(f *fakeSocket) { f.waiting, f.since = 1, time.Now() })
		for range 10 {
			time.Sleep(10 * time.Second)
			alive.say(pingMessage(0))
			stuck.say(pingMessage(0))
		}
		if !silent.far.isClosed() || !stuck.far.isClosed() || alive.far.isClosed() {
			t.Errorf("closed: silent %v, stuck %v, alive %v", silent.far.isClosed(), stuck.far.isClosed(), alive.far.isClosed())
		}
		if stats := s.Stats(); stats.Connections != 1 || stats.Nodes != 1 {
			t.Errorf("%+v is left, want one node", stats)
		}
	})
}

func TestNodesOfARoomThatIsNotServedAnyMoreAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		ada, ben, eve := join(s, 1, 1), join(s, 1, 2), join(s, 2, 3)
		var gone atomic.Pointer[identity.RoomID]
		s.roomServed = func(id identity.RoomID) bool { return gone.Load() == nil || *gone.Load() != id }
		go s.sweeper.run(t.Context())
		alive := func(span time.Duration) {
			for range int(span / (5 * time.Second)) {
				time.Sleep(5 * time.Second)
				for _, n := range []*fakeNode{ada, ben, eve} {
					if !n.far.isClosed() {
						n.say(pingMessage(0))
					}
				}
			}
		}
		alive(time.Minute)
		if ada.far.isClosed() || ben.far.isClosed() || eve.far.isClosed() {
			t.Fatal("a node of a room that is served was refused")
		}
		gone.Store(&ada.conn.room.id)
		alive(30 * time.Second)
		for _, n := range []*fakeNode{ada, ben} {
			told := n.take()
			if len(told) == 0 || told[len(told)-1].GetRefused().GetCode() != wire.Refused_CODE_ROOM {
				t.Errorf("the node was told %v, want a refusal for the room at the end", told)
			}
			if !n.far.isClosed() {
				t.Error("the connection of a refused node is still open")
			}
		}
		if eve.far.isClosed() {
			t.Error("a node of another room was refused")
		}
		if stats := s.Stats(); stats.Nodes != 1 || stats.Rooms != 1 {
			t.Errorf("%+v is left, want one node of one room", stats)
		}
	})
}

func TestFloodOfMessagesIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{MessagesPerSecond: 10})
		a := join(s, 1, 1)
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			if err := a.say(pingMessage(0)); err != nil {
				t.Fatal("refused at the allowed rate")
			}
		}
		a.take()
		sent := 0
		for a.say(pingMessage(0)) == nil {
			sent++
		}
		if sent < 10 || sent > 10*messageBurst {
			t.Errorf("refused after %d messages at once, want at most %d", sent, 10*messageBurst)
		}
		messages := a.take()
		if last := messages[len(messages)-1].GetRefused(); last.GetCode() != wire.Refused_CODE_BUSY || last.GetRetryAfterMs() == 0 {
			t.Errorf("last message is %v, want Refused BUSY with a time", last)
		}
	})
}

func TestDialsAreLimitedAcrossConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{DialsPerSecond: 2, DialsPerMinute: 6, MessagesPerSecond: 1000})
		join(s, 1, 2)
		allowed := func() (n int) {
			for range 10 {
				c := connect(s, 1, 1) // a new connection each time
				c.say(registering(1, false))
				c.take()
				c.say(dialNode(1, 2))
				for _, m := range c.take() {
					if m.GetIntroduction() != nil {
						n++
					} else if f := m.GetDialFailed(); f.GetCode() != wire.DialFailed_CODE_LIMITED || f.GetRetryAfterMs() == 0 {
						t.Errorf("answer is %v, want LIMITED with a time", m)
					}
				}
				s.drop(c.conn, "test")
			}
			return n
		}
		got := []int{allowed()}
		for range 4 {
			time.Sleep(time.Second)
			got = append(got, allowed())
		}
		if want := []int{2, 2, 2, 0, 0}; !slices.Equal(got, want) {
			t.Errorf("introductions in each second: %v, want %v", got, want)
		}
		time.Sleep(2 * time.Minute)
		s.dials.forget(s.now())
		if len(s.dials.byNode) != 0 {
			t.Error("budgets that are whole again are kept")
		}
	})
}

func TestWelcomeSpreadsTheReturnOfManyNodes(t *testing.T) {
	s := newTestServer(t, Limits{ReconnectsPerSecond: 10})
	var spread uint32
	for n := range uint64(100) {
		c := connect(s, 1, n+1)
		c.say(registering(n+1, true))
		spread = c.take()[0].GetWelcome().GetReconnectSpreadMs()
	}
	if spread != 10_000 {
		t.Errorf("the hundredth node is told a spread of %d ms, want 10 s for 10 nodes a second", spread)
	}
}

// change changes the fake socket.
func (f *fakeSocket) change(do func(*fakeSocket)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
}
