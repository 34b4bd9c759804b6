package bodkin_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/internal/wire"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// commonAt is where a peer of both nodes is.
const commonAt = "203.0.113.77"

// coupleWithCid is a couple behind NATs and a third node in the open, with direct sessions between all three.
func coupleWithCid(t *testing.T) (w *world, near, far home, pair *couple) {
	t.Helper()
	w = newWorldOf(t, server.Config{})
	near, far = behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
	w.delays(near, far, delayAS, delayBS, delayAB)
	cid := w.join(t, home{Host: w.lab.Host("c", natlab.At(commonAt))}, bodkin.Config{Name: "cid"})
	pair = newCouple(t, w, near, far, bodkin.Config{})
	pair.becomesDirect(t)
	measured(t, cid)
	for _, node := range []*bodkin.Node{pair.a, pair.b} {
		measured(t, node)
		linkDirectly(t, node, "cid")
	}
	return w, near, far, pair
}

// linkDirectly waits until a node's session with a peer is direct. Where the machine stands still during the punch, the relay comes first.
func linkDirectly(t *testing.T, node *bodkin.Node, peer string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
		ping, err := node.Ping(t.Context(), peer)
		if err == nil && ping.Path.Kind == bodkin.Direct {
			return
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%+v, %v", ping, err)
		}
	}
}

// soonByACommonPeer is less than the silence alone after which a carrier is given up (6 s), and three times what it takes to be back.
const soonByACommonPeer = 3 * time.Second

// TestASessionGoesOnByACommonPeerWhenTheServerIsGone kills the server, and then all paths of two nodes at once. They reach a third that is
// open to everybody, where it was, and that one introduces them, all while what they have is only late.
func TestASessionGoesOnByACommonPeerWhenTheServerIsGone(t *testing.T) {
	t.Parallel()
	w, near, far, pair := coupleWithCid(t)
	w.stop()
	pair.goesOn(t)
	stopwatch.Within(t, soonByACommonPeer, func() time.Duration {
		ensure(t, near.nat.Reboot())
		ensure(t, far.nat.Reboot())
		gap := pair.goesOn(t)
		t.Logf("both NATs rebooted, the server dead: longest gap %v", gap.Round(time.Millisecond))
		return gap
	})
	if path := pair.conn.Path(); path.Kind != bodkin.Direct || path.Remote.Addr() != far.outside {
		t.Errorf("path %+v, want direct to %v", path, far.outside)
	}
}

// TestASessionGoesOnByACommonPeerThatHasLostOneOfTheTwo: what broke the path of the two broke the path of one of them to the common peer. The
// other one's question finds it gone, and must not keep the peer's own from being heard.
func TestASessionGoesOnByACommonPeerThatHasLostOneOfTheTwo(t *testing.T) {
	t.Parallel()
	w, near, far, pair := coupleWithCid(t)
	w.stop()
	pair.goesOn(t)
	for _, lost := range []home{far, near} {
		stopwatch.Within(t, soonByACommonPeer, func() time.Duration {
			ensure(t, lost.nat.Reboot())
			gap := pair.goesOn(t)
			t.Logf("NAT of one rebooted, the server dead: longest gap %v", gap.Round(time.Millisecond))
			return gap
		})
	}
}

// TestAPeerThatIntroducesFalselyNamesNoVictims: a member says that another one, with which the node has a session, is here and there. It
// knows the room's secret, so it can seal what it makes up.
//
// Seen to fail with what a common peer has observed taken for an address of the peer.
func TestAPeerThatIntroducesFalselyNamesNoVictims(t *testing.T) {
	t.Parallel()
	l := newLiar(t)
	const at = "203.0.113.88"
	ben := l.world.join(t, home{Host: l.lab.Host("b", natlab.At(at))}, bodkin.Config{Name: "ben", NoPortMapping: true})
	if _, err := l.node.Ping(t.Context(), "ben"); err != nil {
		t.Fatal(err)
	}
	call := func(who bodkin.NodeID, observed string, hosts, outside []string) error {
		f := further(hosts, outside).GetFurther()
		_, err := l.Ask(t.Context(), "ada", &wire.Ask{Body: &wire.Ask_Called{Called: &wire.Called{
			Node: who[:], Sealed: l.world.invite.Room.Seal(who, must(proto.Marshal(f))), Observed: endpoints([]string{observed})[0],
		}}})
		return err
	}
	never := []string{victim + ":40001", "127.0.0.1:5000", "169.254.169.254:8080"}
	// A member may claim to be on the node's link, as in its profile; an observer may not.
	if err := call(ben.ID(), victim+":40000", never, append(never, "10.1.0.9:5000")); err != nil {
		t.Fatal(err)
	}
	if err := call(must(bodkin.NewKey()).NodeID(), at+":50001", nil, nil); err == nil {
		t.Error("a call of somebody without a session was taken")
	}
	for end := time.Now().Add(20 * time.Second); call(ben.ID(), at+":50000", nil, nil) != nil; <-time.After(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an honest call is not taken: the test shows nothing")
		}
	}
	l.awaitDialled(t, at+":50000")
	for _, to := range l.dialled() {
		if addr := to.Addr().String(); addr != liarAt && addr != at {
			t.Errorf("a SYN went to %v", to)
		}
	}
}
