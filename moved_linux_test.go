package bodkin_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// backLimit is what a node may take to be registered again after its network changed. It is there after some 0.15 s, or 2.2 s where only
// the silence shows it; without watching the network it would be after 50 s.
const backLimit = 15 * time.Second

// TestANodeThatMovesIsBackAtOnce takes a node from network to network. Its peer hears of it, and reaches it directly where it is now.
func TestANodeThatMovesIsBackAtOnce(t *testing.T) {
	for _, c := range []struct {
		name    string
		move    func(t *testing.T, w *world, a home, n *notes)
		outside string // of the NAT that the node is behind then
	}{
		{"another address", func(t *testing.T, _ *world, a home, _ *notes) {
			check(t, a.Move(a.nat, natlab.At("10.77.0.99")))
		}, "198.51.100.1"},
		{"another NAT", func(t *testing.T, w *world, a home, _ *notes) {
			check(t, a.Move(w.lab.NAT("cafe", natlab.PortRestrictedCone(), natlab.At("198.51.100.3"))))
		}, "198.51.100.3"},
		{"another NAT, the same address", func(t *testing.T, w *world, a home, n *notes) {
			cafe := w.lab.NAT("cafe", natlab.PortRestrictedCone(), natlab.At("198.51.100.3"), natlab.Inside("10.77.0.0/24"))
			check(t, setLink(a, netlink.LinkSetDown))
			n.await(t, "network changed")
			check(t, setLink(a, netlink.LinkSetUp))
			check(t, a.Move(cafe, natlab.At(a.Addr().String())))
		}, "198.51.100.3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			nat := w.lab.NAT("near", natlab.PortRestrictedCone(), natlab.At("198.51.100.1"), natlab.Inside("10.77.0.0/24"))
			near, far := behind(nat, "a"), behind(w.lab.NAT("far", natlab.Linux(), natlab.At("198.51.100.2")), "b")
			w.delays(near, far, 4*time.Millisecond, 6*time.Millisecond, 5*time.Millisecond)
			log := newNotes()
			a := w.join(t, near, bodkin.Config{Name: "ada", NoPortMapping: true, Log: slog.New(log)})
			b := w.join(t, far, bodkin.Config{Name: "ben", NoPortMapping: true})
			echo(t, a, "echo")
			events := watch(t, b)
			awaitEvent(t, events, bodkin.Current)

			began := time.Now()
			c.move(t, w, near, log)
			awaitEvent(t, events, bodkin.Changed)
			back := time.Since(began)
			if back > backLimit {
				t.Errorf("registered again after %v", back)
			}
			t.Logf("registered again after %.0f ms", ms(back))
			if seen := a.Status().Reflexive.Addr(); seen != netip.MustParseAddr(c.outside) {
				t.Errorf("the server sees it at %v, want %v", seen, c.outside)
			}
			conn, err := b.Dial(t.Context(), "ada", "echo")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
				t.Errorf("echo: got %q, %v", answer, err)
			}
			if path := conn.Path(); path.Kind != bodkin.Direct || path.Remote.Addr() != netip.MustParseAddr(c.outside) {
				t.Errorf("path %v to %v, want direct to %v", path.Kind, path.Remote, c.outside)
			}
		})
	}
}

// TestALinkThatComesBackFindsEverythingAsItWas takes the link away for a moment: neither the connection to the server nor a session
// is given up for that.
func TestALinkThatComesBackFindsEverythingAsItWas(t *testing.T) {
	w := newWorld(t)
	near, far := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(w.lab.NAT("far", natlab.Linux()), "b")
	log := newNotes()
	a := w.join(t, near, bodkin.Config{Name: "ada", NoPortMapping: true, Log: slog.New(log)})
	b := w.join(t, far, bodkin.Config{Name: "ben", NoPortMapping: true})
	echo(t, a, "echo")
	conn, err := b.Dial(t.Context(), "ada", "echo")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	seen := a.Status().Reflexive

	check(t, setLink(near, netlink.LinkSetDown))
	log.await(t, "network changed")
	check(t, setLink(near, func(eth0 netlink.Link) error {
		if err := netlink.LinkSetUp(eth0); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: near.nat.Gateway().AsSlice()}) // which went with it
	}))
	log.await(t, "network changed")
	began := time.Now()
	if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
		t.Errorf("echo: got %q, %v", answer, err)
	}
	t.Logf("the stream went on after %.0f ms", ms(time.Since(began)))
	if status := a.Status(); !status.Connected || status.Reflexive != seen {
		t.Errorf("the connection to the server is another: %+v", status)
	}
}

// setLink does something to a host's interface.
func setLink(h home, do func(netlink.Link) error) error {
	return h.Do(func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return do(eth0)
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// watch is a node's events.
func watch(t *testing.T, node *bodkin.Node) <-chan bodkin.Event {
	events := make(chan bodkin.Event, 100)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		for event, err := range node.Watch(ctx) {
			if err != nil {
				return
			}
			events <- event
		}
	}()
	return events
}

func awaitEvent(t *testing.T, events <-chan bodkin.Event, kind bodkin.EventKind) bodkin.Event {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case event := <-events:
			if event.Kind == kind {
				return event
			}
		case <-timeout:
			t.Fatalf("no event %v", kind)
		}
	}
}

// notes is a log handler that a test can wait for.
type notes struct{ messages chan string }

func newNotes() *notes { return &notes{make(chan string, 1000)} }

// await waits for a message.
func (n *notes) await(t *testing.T, message string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case m := <-n.messages:
			if m == message {
				return
			}
		case <-timeout:
			t.Fatalf("never logged: %s", message)
		}
	}
}

func (n *notes) Enabled(context.Context, slog.Level) bool { return true }
func (n *notes) WithAttrs([]slog.Attr) slog.Handler       { return n }
func (n *notes) WithGroup(string) slog.Handler            { return n }

func (n *notes) Handle(_ context.Context, r slog.Record) error {
	select {
	case n.messages <- r.Message:
	default:
	}
	return nil
}
