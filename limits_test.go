package bodkin

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
	"github.com/bodkin-p2p/bodkin/server"
)

// roomServer runs a server without a relay on loopback until the test ends, and returns an invite to a room of it.
func roomServer(t *testing.T) Invite {
	t.Helper()
	return serve(t, server.Config{NoRelay: true})
}

// serve is roomServer for a server that is configured otherwise.
func serve(t *testing.T, config server.Config) Invite {
	t.Helper()
	config.Home, config.Main, config.Hole = t.TempDir(), []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
	s, err := server.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-served })
	invite, err := s.Invite(server.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	return invite
}

func joinAs(t *testing.T, invite Invite, name string, mesh bool) *Node {
	t.Helper()
	n, err := Join(t.Context(), Config{Invite: invite, Name: name, Mesh: mesh, NoPortMapping: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// known is how many attempts a node remembers.
func (t *attempts) known() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

// calling is an introduction to somebody who calls, or who was called by request. The profile is none, so that its attempt ends at once.
func calling(number int, request uint64) rendezvous.Introduction {
	return rendezvous.Introduction{Attempt: wire.AttemptID{byte(number), byte(number >> 8), 1}, Request: request, Round: 1,
		Role: rendezvous.Callee, Peer: NodeID{1}, Received: time.Now(), Deadline: time.Second}
}

// Seen to fail without the limiter: 200 attempts.
func TestIntroductionsThatNobodyAskedForAreLimited(t *testing.T) {
	n := joinAs(t, roomServer(t), "ada", false)
	began := time.Now()
	for i := range 2 * callsAtOnce {
		n.introduced(calling(i, 0))
	}
	most := callsAtOnce + int(callsPerSecond*time.Since(began).Seconds()) + 1
	if got := n.attempts.known(); got < callsAtOnce || got > most {
		t.Errorf("%d of %d were taken up, want %d to %d", got, 2*callsAtOnce, callsAtOnce, most)
	}
	before := n.attempts.known()
	n.introduced(calling(1000, 7))
	if got := n.attempts.known(); got != before+1 {
		t.Errorf("the answer to a dial was passed over: %d attempts, %d before", got, before)
	}
}

// Seen to fail without the check: the node begins an attempt.
func TestAnIntroductionToOneselfIsPassedOver(t *testing.T) {
	n := joinAs(t, roomServer(t), "ada", false)
	self := calling(1, 7)
	self.Peer = n.id
	n.introduced(self)
	if got := n.attempts.known(); got != 0 {
		t.Errorf("%d attempts began", got)
	}
}

// A node that missed events of its room, because so much happened at once, begins its mesh anew: who was there is kept, who
// comes is linked with. Seen to fail with a mesh that ends there.
func TestAMeshThatMissedEventsBeginsAnew(t *testing.T) {
	invite := roomServer(t)
	joinAs(t, invite, "ben", false)
	ada := joinAs(t, invite, "ada", true)
	awaitLinked(t, ada, "ben")

	old := ada.meshWatcher(t)
	ada.roster.mu.Lock()
	delete(ada.roster.watchers, old) // as publish does with one that is full
	close(old.events)
	ada.roster.mu.Unlock()
	joinAs(t, invite, "cid", false)
	awaitLinked(t, ada, "ben", "cid")
	if fresh := ada.meshWatcher(t); fresh == old {
		t.Error("the mesh watches as before: the test shows nothing")
	}
}

// meshWatcher is the only watcher of a node that nobody else watches.
func (n *Node) meshWatcher(t *testing.T) *watcher {
	t.Helper()
	n.roster.mu.Lock()
	defer n.roster.mu.Unlock()
	if len(n.roster.watchers) != 1 {
		t.Fatalf("%d watchers, want the mesh's", len(n.roster.watchers))
	}
	for w := range n.roster.watchers {
		return w
	}
	return nil
}

// awaitLinked waits until a node is linked with all of these.
func awaitLinked(t *testing.T, n *Node, names ...string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-tick.C {
		peers, err := n.Peers(t.Context())
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		peers = slices.DeleteFunc(peers, func(p Peer) bool { return p.Path == nil })
		if len(peers) == len(names) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("linked with %v, want %v", peers, names)
		}
	}
}
