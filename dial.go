package bodkin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// dialTimeout bounds the work for one dial: the server's answer and a whole attempt (10 s at most, docs/protocol.md).
const dialTimeout = 15 * time.Second

// A target is whom a caller means: a node id, the name of a node, or a name that is known to be a node's.
type target struct {
	id   NodeID // zero: by name alone
	name string // empty: by id alone
}

func parseTarget(peer string) (target, error) {
	if name := strings.ToLower(peer); validName(name) && !looksLikeID(name) {
		return target{name: name}, nil
	}
	if !looksLikeID(strings.ToLower(peer)) {
		return target{}, fmt.Errorf("bodkin: peer %q: neither a name (1 to %d of a-z, 0-9 and -) nor an id (node1...)", short(peer), wire.MaxName)
	}
	id, err := ParseNodeID(peer)
	if err != nil {
		return target{}, fmt.Errorf("bodkin: peer %q: %w", short(peer), err)
	}
	return target{id: id}, nil
}

// short is text that somebody gave, cut to what an error has room for.
func short(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// CheckPeer tells why text cannot stand for a peer, which is the name of a node or its id. Nil does not mean that there is one.
func CheckPeer(text string) error {
	_, err := parseTarget(text)
	return err
}

// CheckService tells why text cannot be the name of a service: it has 1 to 128 bytes, all printable, and one name is reserved.
func CheckService(text string) error {
	if wire.Validate(&wire.StreamOpen{Service: text}) != nil {
		return fmt.Errorf("bodkin: service %q: want 1 to %d printable characters", short(text), wire.MaxService)
	}
	if text == wire.ControlService {
		return fmt.Errorf("bodkin: service %q is reserved for the nodes themselves", text)
	}
	return nil
}

// looksLikeID tells whether text was meant as a node id, so that a mistyped id is not taken for a name.
func looksLikeID(text string) bool { return len(text) > 30 && strings.HasPrefix(text, "node1") }

func (t target) matches(id NodeID, name string) bool {
	return (t.id.IsZero() || t.id == id) && (t.name == "" || t.name == name)
}

// Dial opens a stream to a service of a peer, given by its name in the room or its id. If there is no session with the
// peer yet, it makes one: the server introduces the two, and both connect. Dial returns as soon as bytes can be sent,
// without waiting to hear whether the peer has such a service; see [ErrServiceUnknown].
//
// Errors: [ErrPeerUnavailable], [ErrNoDirectPath] (a [*PathError]), [ErrServerUnreachable], [ErrRefused] when the server
// wants fewer dials, and ctx's own. A session goes on being made when ctx ends, for the next caller.
func (n *Node) Dial(ctx context.Context, peer, service string) (*Conn, error) {
	who, err := parseTarget(peer)
	if err == nil {
		err = CheckService(service)
	}
	if err != nil {
		return nil, err
	}
	for {
		l, _, err := n.link(ctx, who)
		if err != nil {
			return nil, err
		}
		stream, err := l.session.Open(ctx, service)
		if err == nil {
			return &Conn{stream: stream, link: l}, nil
		}
		if l.alive() { // the session is well, so the fault is in what was asked for
			return nil, err
		}
		// The session ended between being found and being used: look again, for another or a new one.
	}
}

// link returns a live session with a peer, and how long it took to make; a zero Timing if it was there.
func (n *Node) link(ctx context.Context, who target) (*link, Timing, error) {
	if err := n.Err(); err != nil {
		return nil, Timing{}, err
	}
	if l := n.links.to(who); l != nil {
		n.improve(l)
		return l, Timing{}, nil
	}
	d, mine := n.dials.join(who)
	if mine && !n.spawn(func() { n.dial(d) }) {
		n.dials.end(d, nil, n.Err())
	}
	select {
	case <-d.done:
		return d.link, d.timing, d.err
	case <-ctx.Done():
		return nil, Timing{}, context.Cause(ctx)
	}
}

// A dial is the making of one session. Callers who want the same peer share it.
type dial struct {
	who     target
	started time.Time

	done   chan struct{} // closed at the end, then either link and timing are set, or err
	link   *link
	timing Timing
	err    error
}

type dials struct {
	mu       sync.Mutex
	byTarget map[target]*dial
}

// join returns the dial under way to a target, or a new one that the caller must run.
func (t *dials) join(who target) (d *dial, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d, ok := t.byTarget[who]; ok {
		return d, false
	}
	if t.byTarget == nil {
		t.byTarget = map[target]*dial{}
	}
	d = &dial{who: who, started: time.Now(), done: make(chan struct{})}
	t.byTarget[who] = d
	return d, true
}

// end publishes what became of a dial, unless a link has fulfilled it already.
func (t *dials) end(d *dial, l *link, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked(d, l, err)
}

func (t *dials) endLocked(d *dial, l *link, err error) {
	if t.byTarget[d.who] != d {
		return
	}
	delete(t.byTarget, d.who)
	if d.link, d.err = l, err; err == nil {
		if marks := l.origin().marks; marks.introduced.After(d.started) {
			d.timing = marks.since(d.started)
		}
	}
	close(d.done)
}

// fulfil ends the dials to a peer that a new link leads to, whoever began it: two nodes that dial each other want one
// session, not two.
func (t *dials) fulfil(l *link) {
	if l.dialOnly {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for who, d := range t.byTarget {
		if who.matches(l.peer, l.name) {
			t.endLocked(d, l, nil)
		}
	}
}

func (n *Node) dial(d *dial) {
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		select {
		case <-d.done: // fulfilled: what goes on would make a second session
			cancel()
		case <-ctx.Done():
		}
	})
	l, err := n.introduce(ctx, d.who)
	if n.ctx.Err() != nil {
		err = n.Err() // the node was closed, which says more than a cancelled context
	}
	n.dials.end(d, l, err)
}

// introduce makes a link to a peer: on this node's own link if the peer was heard there, or else by the server's introduction. Who has lost
// the server can still be reached by a peer of both, if there was a session.
func (n *Node) introduce(ctx context.Context, who target) (*link, error) {
	n.client.Hurry()
	if !n.client.State().Connected {
		return n.introduceAnyWay(ctx, who)
	}
	if l, err := n.near(ctx, who); err == nil {
		return l, nil
	}
	l, err := n.introduceByServer(ctx, who)
	if errors.Is(err, ErrPeerUnavailable) && n.links.waiting(who) != nil {
		ctx, cancel := context.WithTimeout(ctx, knownTimeout) // the peer may be back at the server by then
		defer cancel()
		if l, err := n.withoutServer(ctx, who); err == nil {
			return l, nil
		}
	}
	return l, err
}

// A made is what a way to a peer has led to.
type made struct {
	link *link
	err  error
}

// introduceAnyWay is for when the server is away: the peer may be reached without, and the server may come back. Once it is back the other
// ways give up, so that two attempts do not dial the same ports.
func (n *Node) introduceAnyWay(ctx context.Context, who target) (*link, error) {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unaided, serverIsBack := context.WithCancel(ctx)
	defer serverIsBack()
	without, server := make(chan made, 1), make(chan made, 1)
	all.Go(func() {
		l, err := n.withoutServer(unaided, who)
		without <- made{l, err}
	})
	all.Go(func() {
		if n.serverAgain(ctx, who) == nil {
			serverIsBack()
		}
		l, err := n.introduceByServer(ctx, who)
		server <- made{l, err}
	})
	select {
	case m := <-without:
		if m.err == nil {
			return m.link, nil
		}
		m = <-server
		return m.link, m.err
	case m := <-server:
		if m.err == nil {
			return m.link, nil
		}
		if other := <-without; other.err == nil {
			return other.link, nil
		}
		return nil, m.err // the server's answer says more
	}
}

// serverAgain waits for the server. For a session that waits for a path it goes on after a failure, as long as the other ways are tried, and
// has the client hurry all the time.
func (n *Node) serverAgain(ctx context.Context, who target) error {
	if n.links.waiting(who) == nil {
		_, err := n.client.Registered(ctx)
		return err
	}
	for {
		n.client.Hurry()
		soon, cancel := context.WithTimeout(ctx, againLast)
		_, err := n.client.Registered(soon)
		over := soon.Err() != nil && ctx.Err() == nil
		cancel()
		if !over && !errors.Is(err, rendezvous.ErrUnreachable) {
			return err
		}
	}
}

// withoutServer tries all ways to a peer that need no server at once. It returns the first link, or an error when all have failed.
func (n *Node) withoutServer(ctx context.Context, who target) (*link, error) {
	ways := []func(context.Context, target) (*link, error){n.near, n.again}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan made, len(ways))
	for _, way := range ways {
		all.Go(func() {
			l, err := way(ctx, who)
			results <- made{l, err}
		})
	}
	var err error
	for range ways {
		m := <-results
		if m.err == nil {
			return m.link, nil
		}
		err = m.err
	}
	return nil, err
}

// introduceByServer asks the server for an introduction, once there is one, and waits for what the attempt makes of it.
func (n *Node) introduceByServer(ctx context.Context, who target) (*link, error) {
	if _, err := n.client.Registered(ctx); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: no answer in %v", ErrServerUnreachable, dialTimeout)
	} else if err != nil {
		return nil, publicError(err)
	}
	wanted := rendezvous.ByNode(who.id)
	if who.id.IsZero() {
		wanted = rendezvous.ByNameTag(n.config.Invite.Room.NameTag(who.name))
	}
	return n.introduceTo(ctx, who, wanted)
}

func (n *Node) introduceTo(ctx context.Context, who target, wanted rendezvous.Target) (*link, error) {
	if n.countsPorts() && !wanted.IsBeside() { // the server would ask for a sample: that saves the way there and back
		n.takeSample(func(ctx context.Context) { n.sample(ctx, wire.AttemptID{}) })
		wanted = wanted.Sampling()
	}
	intro, err := n.client.Introduce(ctx, wanted)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: no answer in %v", ErrServerUnreachable, dialTimeout)
	}
	if err != nil {
		return nil, publicError(err)
	}
	if err := n.expected(who, intro); err != nil {
		return nil, err
	}
	a := n.attempts.find(intro.Attempt) // the client has called introduced before it answered
	if a == nil {
		return nil, errTooManyAttempts
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return a.link, a.err
}

// expected holds the server to what was asked for: it must introduce the node, or a bearer of the name, that was meant.
func (n *Node) expected(who target, intro rendezvous.Introduction) error {
	peer, err := n.open(intro.Peer, intro.Sealed, intro.NameTag)
	if err != nil {
		return err
	}
	if !who.matches(intro.Peer, peer.name) {
		return errors.New("bodkin: the server introduced another node than the one asked for")
	}
	return n.mayBe(peer.name, intro.Peer)
}
