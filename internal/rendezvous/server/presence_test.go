package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// news returns what was sent of presence since the last call, as "begin +2 ~3 -4 end".
func (f *fakeNode) news() string {
	var words []string
	for _, m := range f.take() {
		switch body := m.Body.(type) {
		case *wire.ServerMessage_SnapshotBegin:
			words = append(words, "begin")
		case *wire.ServerMessage_SnapshotEnd:
			words = append(words, "end")
		case *wire.ServerMessage_Presence:
			sign := map[wire.Presence_Kind]string{wire.Presence_KIND_JOINED: "+", wire.Presence_KIND_CHANGED: "~", wire.Presence_KIND_LEFT: "-"}
			words = append(words, fmt.Sprintf("%s%x", sign[body.Presence.Kind], body.Presence.Node[31]))
		}
	}
	return strings.Join(words, " ")
}

// announced runs test with the announcer at work.
func announced(t *testing.T, limits Limits, test func(t *testing.T, s *Server)) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, limits)
		go s.announcer.run(t.Context())
		test(t, s)
	})
}

func TestWatchersSeeTheirRoomOnly(t *testing.T) {
	announced(t, Limits{}, func(t *testing.T, s *Server) {
		a := join(s, 1, 1)
		join(s, 1, 2)
		join(s, 2, 9)
		a.say(watchMessage(true))
		expect := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if got := a.news(); got != want {
				t.Errorf("%s: watcher was told %q, want %q", what, got, want)
			}
		}
		expect("snapshot", "begin +2 end")
		c := join(s, 1, 3)
		expect("a node joins", "+3")
		c.say(registering(3, true))
		expect("it registers again as it was", "")
		changed := registering(3, true)
		changed.GetRegister().SealedProfile = []byte("another")
		c.say(changed)
		expect("it changes", "~3")
		join(s, 2, 8)
		expect("a node joins another room", "")
		transient := connect(s, 1, 4)
		transient.say(registering(4, false))
		expect("a transient joins", "")
		s.drop(c.conn, "test")
		expect("a node leaves", "-3")
		s.drop(transient.conn, "test")
		expect("a transient leaves", "")
		a.say(watchMessage(false))
		join(s, 1, 5)
		expect("after it stopped to watch", "")
		a.say(watchMessage(true))
		expect("a new snapshot", "begin +2 +5 end")
		renewed := join(s, 1, 5)
		expect("a node is replaced by itself", "~5")
		s.drop(renewed.conn, "test")
		expect("and leaves", "-5")
	})
}

func TestSlowWatcherIsToldTheSumOfWhatHappened(t *testing.T) {
	announced(t, Limits{MessagesPerSecond: 1e6}, func(t *testing.T, s *Server) {
		a, b, c := join(s, 1, 1), join(s, 1, 2), join(s, 1, 3)
		a.say(watchMessage(true))
		synctest.Wait()
		a.news()
		a.far.change(func(f *fakeSocket) { f.waiting = 1 })
		for i := range 1000 {
			changed := registering(2, true)
			changed.GetRegister().SealedProfile = fmt.Appendf(nil, "profile %d", i)
			b.say(changed)
		}
		s.drop(c.conn, "test")
		join(s, 1, 4)
		s.drop(join(s, 1, 5).conn, "test")
		synctest.Wait()
		if got := a.news(); got != "" {
			t.Fatalf("told %q while it takes nothing", got)
		}
		if n := len(a.room.news.entries); n > 200 {
			t.Errorf("%d events are kept for 1,000 changes of one node", n)
		}
		a.far.change(func(f *fakeSocket) { f.waiting = 0 })
		a.Drained()
		synctest.Wait()
		if got, want := a.news(), "~2 -3 +4 -5"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestHopelessWatcherGetsANewSnapshot(t *testing.T) {
	announced(t, Limits{}, func(t *testing.T, s *Server) {
		a := join(s, 1, 1)
		join(s, 1, 2)
		a.say(watchMessage(true))
		synctest.Wait()
		a.news()
		a.far.change(func(f *fakeSocket) { f.waiting = 1 })
		for n := range uint64(5000) {
			s.drop(join(s, 1, 100+n).conn, "test")
		}
		if n := len(a.room.news.entries); n > 3*newsGone {
			t.Errorf("%d events are kept for a watcher that takes none", n)
		}
		a.far.change(func(f *fakeSocket) { f.waiting = 0 })
		a.Drained()
		synctest.Wait()
		if got := a.news(); !strings.HasPrefix(got, "begin +2 ") || !strings.HasSuffix(got, " end") {
			t.Errorf("told %.40q..., want a new snapshot", got)
		}
	})
}

func TestNewsWithoutWatchersAreForgotten(t *testing.T) {
	s := newTestServer(t, Limits{})
	join(s, 1, 1)
	for n := range uint64(1000) {
		s.drop(join(s, 1, 2+n).conn, "test")
	}
	r := s.registry.rooms[join(s, 1, 1).room.id]
	if n := len(r.news.entries); n > 2*newsLeast {
		t.Errorf("%d events are kept for nobody", n)
	}
}

// TestWatcherIsNeverWrong has nodes come, change and go at random under watchers of random speed, and compares what each watcher
// must believe with what is.
func TestWatcherIsNeverWrong(t *testing.T) {
	announced(t, Limits{MessagesPerSecond: 1e6}, func(t *testing.T, s *Server) {
		random := newRandom(t)
		var watchers []*fakeNode
		believes := map[*fakeNode]map[string]bool{}
		here := map[uint64]*fakeNode{}
		for n := range uint64(5) {
			w := join(s, 1, 200+n)
			w.say(watchMessage(true))
			watchers, believes[w] = append(watchers, w), map[string]bool{}
		}
		listen := func(w *fakeNode) {
			synctest.Wait()
			for word := range strings.FieldsSeq(w.news()) {
				switch node := word[1:]; {
				case word == "begin":
					clear(believes[w])
				case word[0] == '+', word[0] == '~':
					believes[w][node] = true
				case word[0] == '-':
					delete(believes[w], node)
				}
			}
		}
		for range 3000 {
			n := uint64(random.IntN(100))
			switch node := here[n]; {
			case node == nil:
				here[n] = join(s, 1, n)
			case random.IntN(2) == 0:
				node.say(registering(n, true))
			default:
				s.drop(node.conn, "test")
				delete(here, n)
			}
			w := watchers[random.IntN(len(watchers))]
			switch random.IntN(10) {
			case 0:
				w.far.change(func(f *fakeSocket) { f.waiting = 1 })
			case 1:
				w.far.change(func(f *fakeSocket) { f.waiting = 0 })
				w.Drained()
				listen(w)
			}
		}
		var want []string
		for n := range here {
			want = append(want, fmt.Sprintf("%x", n))
		}
		for _, w := range watchers {
			want = append(want, fmt.Sprintf("%x", w.node[31]))
		}
		slices.Sort(want)
		for _, w := range watchers {
			w.far.change(func(f *fakeSocket) { f.waiting = 0 })
			w.Drained()
			listen(w)
			got := []string{fmt.Sprintf("%x", w.node[31])}
			for node := range believes[w] {
				got = append(got, node)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("watcher %x believes in %v, here are %v", w.node[31], got, want)
			}
		}
	})
}

// TestSnapshotOfABigRoomBlocksNobody shows that the lock of a room is held for one part of a snapshot at a time.
func TestSnapshotOfABigRoomBlocksNobody(t *testing.T) {
	s := newTestServer(t, Limits{})
	for n := range uint64(20_000) {
		join(s, 1, n+2)
	}
	a := join(s, 1, 1)
	a.say(watchMessage(true))
	w := a.room.watchersNow(nil)[0]
	var parts, total int
	began := time.Now()
	for b := a.room.next(w, nil); len(b) > 0; b = a.room.next(w, b[:0]) {
		if len(b) > newsBytes+wire.MaxFrame {
			t.Fatalf("a part of %d bytes", len(b))
		}
		parts++
		total += len(b)
	}
	t.Logf("snapshot of 20,000 nodes: %d bytes in %d parts of %v", total, parts, time.Since(began)/time.Duration(parts))
	if parts < total/newsBytes {
		t.Errorf("%d parts for %d bytes", parts, total)
	}
}
