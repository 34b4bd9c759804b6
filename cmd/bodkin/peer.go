package main

import (
	"context"
	"errors"
	"strings"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/typo"
)

// checkPeer refuses what cannot be a peer, before anything is asked of anybody.
func checkPeer(text string) error {
	if err := bodkin.CheckPeer(text); err != nil {
		return misuse("`bodkin peers` shows the names and ids of the room", "%s", plain(err))
	}
	return nil
}

// checkService refuses what cannot be a service.
func checkService(text string) error {
	if err := bodkin.CheckService(text); err != nil {
		return misuse("for example ssh", "%s", plain(err))
	}
	return nil
}

// shortestID is how much of an id may stand for it. Commands print eight characters.
const shortestID = 4

// reach does something with a peer that was given by name, by id, or by the beginning of an id where nobody has that
// for a name. Its errors tell which peer.
func reach[T any](ctx context.Context, node control.Node, peer string, do func(peer string) (T, error)) (result T, err error) {
	if isSelf(node, peer) {
		return result, misuse("give another one: `bodkin peers` shows who is there", "%s is this machine itself", peer)
	}
	result, err = do(peer)
	if errors.Is(err, bodkin.ErrPeerUnavailable) {
		id, ambiguous := byShortID(ctx, node, peer)
		switch {
		case ambiguous:
			return result, misuse("give more of the id", "several ids begin with %q", peer)
		case id != "":
			result, err = do(id)
		}
	}
	if err != nil {
		err = about(peer, err)
		if f := (*failure)(nil); errors.Is(err, bodkin.ErrPeerUnavailable) && errors.As(err, &f) {
			f.hint = meant(ctx, node, peer, f.hint)
		}
		return result, err
	}
	return result, nil
}

// meant asks whether another peer that is there was meant, and is hint where none has a name like that.
func meant(ctx context.Context, node control.Node, peer, hint string) string {
	peers, err := node.Peers(ctx)
	if err != nil {
		return hint
	}
	var there []string
	for _, p := range peers {
		if p.Online && !strings.EqualFold(p.Name, peer) {
			there = append(there, printable(p.Name))
		}
	}
	if near := typo.Nearest(peer, there); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "? `bodkin peers` shows who is there"
	}
	return hint
}

// isSelf tells whether a peer is the node that is to dial it.
func isSelf(node control.Node, peer string) bool {
	if id, err := bodkin.ParseNodeID(peer); err == nil {
		return id == node.ID()
	}
	return strings.EqualFold(peer, node.Name()) || strings.EqualFold(peer, node.ID().Short())
}

// byShortID finds the only node that is there and whose id begins so, with or without "node1".
func byShortID(ctx context.Context, node control.Node, text string) (id string, ambiguous bool) {
	begin := strings.TrimPrefix(strings.ToLower(text), "node1")
	if len(begin) < shortestID {
		return "", false
	}
	peers, err := node.Peers(ctx)
	if err != nil {
		return "", false
	}
	for _, p := range peers {
		if whole := p.ID.String(); strings.HasPrefix(whole, "node1"+begin) {
			id, ambiguous = whole, id != ""
			if ambiguous {
				return "", true
			}
		}
	}
	return id, false
}
