package bodkin

import (
	"maps"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/lan"
)

// maxLocals bounds how many nodes are remembered as near. Members alone can make beacons, but anybody can repeat them.
const maxLocals = 256

// locals is the nodes of the room that were heard on this node's own links.
type locals struct {
	ask, wake chan struct{} // hold one

	mu      sync.Mutex
	seen    map[NodeID]local
	scanned chan struct{} // closed and replaced at the end of each scan
	heard   chan struct{} // closed and replaced when a node is heard that was not known
}

// A local is a node that was heard.
type local struct {
	profile profile
	at      time.Time
}

func newLocals() locals {
	return locals{
		ask: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		seen: map[NodeID]local{}, scanned: make(chan struct{}), heard: make(chan struct{}),
	}
}

// nudge fills a channel that holds one.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // full already
	}
}

// listensLocally tells whether this node takes part in local discovery.
func (n *Node) listensLocally() bool { return !n.config.NoLAN && n.config.Relay != RelayAlways }

// discover tells the link of this node and listens for others, until the node ends.
func (n *Node) discover() {
	config := lan.Config{
		Port:    n.port.Number(),
		Heard:   n.heardLocally,
		Scanned: n.scannedLocally,
		Ask:     n.locals.ask,
		Wake:    n.locals.wake,
		Within:  n.config.Within,
		Log:     n.log,
	}
	if !n.config.DialOnly {
		config.Beacon = func() []byte { return n.config.Invite.Room.SealBeacon(n.id, n.profile().marshal()) }
	}
	lan.Run(n.ctx, config)
}

// heardLocally takes in a beacon.
func (n *Node) heardLocally(beacon []byte) {
	id, plain, err := n.config.Invite.Room.OpenBeacon(beacon)
	if err != nil || id == n.id {
		return // of another room, or our own
	}
	peer, err := parseProfile(plain)
	if err != nil || peer.dialOnly {
		n.log.Debug("beacon passed over", "peer", id.Short(), "err", err)
		return
	}
	if n.locals.note(id, local{peer, time.Now()}) {
		n.log.Info("heard on the link", "peer", peer.name)
		n.roster.near(id, peer.name)
	}
}

// note takes in who was heard, and tells whether that is news.
func (t *locals) note(id NodeID, l local) (isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, known := t.seen[id]
	if !known && len(t.seen) >= maxLocals {
		return false
	}
	t.seen[id] = l
	if !known {
		close(t.heard)
		t.heard = make(chan struct{})
	}
	return !known || was.profile.name != l.profile.name
}

// scannedLocally forgets who was not heard for a while.
func (n *Node) scannedLocally() {
	for _, id := range n.locals.forget(time.Now().Add(-lan.Forget)) {
		n.roster.notNear(id)
	}
}

// forget drops whom nobody heard since then.
func (t *locals) forget(since time.Time) (gone []NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.seen, func(id NodeID, l local) bool {
		if l.at.Before(since) {
			gone = append(gone, id)
			return true
		}
		return false
	})
	close(t.scanned)
	t.scanned = make(chan struct{})
	return gone
}

// find returns the node that is near and meant, by its id or by a name that no other near one has.
func (t *locals) find(who target) (id NodeID, peer profile, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for known, l := range t.seen {
		if !who.matches(known, l.profile.name) {
			continue
		}
		if ok {
			return NodeID{}, profile{}, false // two claim the name: the server has to say whose it is
		}
		id, peer, ok = known, l.profile, true
	}
	return id, peer, ok
}

// events returns channels that are closed when somebody new is heard and when a scan has ended.
func (t *locals) events() (heard, scanned <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heard, t.scanned
}
