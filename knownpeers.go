package bodkin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/knownpeers"
	"github.com/bodkin-p2p/bodkin/internal/session"
)

// KnownPeers remembers which node goes by which name in a room, so that no other can take a name over: the server sees to it that a
// name is one node's at a time, and this that it stays the same node's. Its methods are called often, and by several
// goroutines at once.
type KnownPeers interface {
	// Lookup returns whose a name is; the zero NodeID: nobody's yet. An error keeps the node from every new session.
	Lookup(name string) (NodeID, error)
	// Remember gives a name to a node that a session has begun with, if it is nobody's yet, and returns whose it is then.
	Remember(name string, id NodeID) (owner NodeID, err error)
}

// OpenKnownPeers returns the known peers of an invite's room in a text file, as `bodkin up` has it. The file need not be there. Any
// number of nodes and processes may use it at once.
func OpenKnownPeers(path string, invite Invite) KnownPeers {
	return knownpeers.Open(path, invite.Room.ID())
}

// ErrKeyChanged tells that a node goes by a name that was another's. See [KeyChangedError].
var ErrKeyChanged = errors.New("bodkin: another node was known by this name")

// A KeyChangedError tells whose a name is, by Config.KnownPeers, and who goes by it now: the same machine set up anew, or somebody
// else. errors.Is(err, ErrKeyChanged) holds for it.
type KeyChangedError struct {
	Name  string
	Known NodeID
	Now   NodeID
}

// Error tells of both nodes.
func (e *KeyChangedError) Error() string {
	return fmt.Sprintf("%v: %s is %s, and now %s", ErrKeyChanged, e.Name, e.Known, e.Now)
}

// Unwrap returns ErrKeyChanged.
func (e *KeyChangedError) Unwrap() error { return ErrKeyChanged }

// mayBe tells whether a node may go by a name, and why not.
func (n *Node) mayBe(name string, id NodeID) error {
	if n.config.KnownPeers == nil {
		return nil
	}
	known, err := n.config.KnownPeers.Lookup(name)
	if err != nil {
		return fmt.Errorf("bodkin: known peers: %w", err)
	}
	if !known.IsZero() && known != id {
		return &KeyChangedError{Name: name, Known: known, Now: id}
	}
	return nil
}

// known narrows a name down to the node that is known by it.
func (n *Node) known(who target) (target, error) {
	if n.config.KnownPeers == nil || who.name == "" {
		return who, nil
	}
	id, err := n.config.KnownPeers.Lookup(who.name)
	if err != nil {
		return who, fmt.Errorf("bodkin: known peers: %w", err)
	}
	return target{id: id, name: who.name}, nil
}

// meet remembers the node that a session is about to begin with, or tells why that must not be. What was remembered is on the disk
// before the session begins; it costs a few milliseconds, once for each name.
func (n *Node) meet(name string, id NodeID) error {
	if err := n.mayBe(name, id); err != nil || n.config.KnownPeers == nil {
		return err
	}
	owner, err := n.config.KnownPeers.Remember(name, id)
	switch {
	case err != nil: // a full disk, a full file: it is not known then
		n.log.Warn("peer not remembered", "peer", name, "err", err)
	case owner != id: // met by another process just now
		return &KeyChangedError{Name: name, Known: owner, Now: id}
	}
	return nil
}

// Bounds of turning a peer away: how long it has to ask for something, and how many streams are answered.
const (
	turnAwayTime    = 10 * time.Second
	turnAwayStreams = 16
)

// turnAway answers what a peer wants with why it gets nothing, and ends the session.
func (n *Node) turnAway(s *session.Session, why error) {
	ctx, cancel := context.WithTimeout(n.ctx, turnAwayTime)
	defer cancel()
	words := "this peer cannot be told from another node"
	if changed := (*KeyChangedError)(nil); errors.As(why, &changed) {
		words = fmt.Sprintf("the node %s is known here by the name %s, and you are %s; if that machine was set up anew: bodkin forget %s, there",
			changed.Known.Short(), changed.Name, changed.Now.Short(), changed.Name)
	}
	for range turnAwayStreams {
		stream, err := s.Accept(ctx)
		if err != nil {
			break
		}
		stream.Refuse(session.ErrRefused, words) // fails only with the session
	}
	s.Close()
}

// bearer returns whom a name belongs to where that is another node than the one that goes by it; else the zero NodeID.
func bearer(known KnownPeers, name string, id NodeID) NodeID {
	if known == nil || name == "" {
		return NodeID{}
	}
	if owner, err := known.Lookup(name); err == nil && owner != id {
		return owner
	}
	return NodeID{}
}
