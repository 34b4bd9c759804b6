package bodkin

import (
	"context"
	"time"
)

// A Ping is the path to a peer and its round trip.
type Ping struct {
	ID     NodeID
	Name   string
	Path   Path
	RTT    time.Duration // of one message and its answer inside the session
	Timing Timing        // of making the session; zero if it was there
}

// Ping measures the round trip to a peer, after making a session with it if there is none. Its errors are those of Dial.
func (n *Node) Ping(ctx context.Context, peer string) (Ping, error) {
	who, err := parseTarget(peer)
	if err != nil {
		return Ping{}, err
	}
	l, timing, err := n.link(ctx, who)
	if err != nil {
		return Ping{}, err
	}
	rtt, err := l.session.Ping(ctx)
	if err != nil {
		return Ping{}, err
	}
	return Ping{ID: l.peer, Name: l.name, Path: l.path(), RTT: rtt, Timing: timing}, nil
}
