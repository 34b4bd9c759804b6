package bodkin

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// running adds a running attempt with a peer, and returns it with what is over when it is given up.
func running(t *testing.T, all *attempts, id byte, peer NodeID) (*attempt, context.Context) {
	t.Helper()
	a, isNew := all.begin(rendezvous.Introduction{Attempt: wire.AttemptID{id}, Peer: peer, Round: 1})
	if !isNew {
		t.Fatal("no attempt")
	}
	ctx, cancel := all.run(t.Context(), a)
	t.Cleanup(cancel)
	context.AfterFunc(ctx, func() { all.end(a, nil, context.Canceled) })
	return a, ctx
}

func TestANewAttemptSupersedesThoseOfBeforeThePeerCameBack(t *testing.T) {
	var all attempts
	peer, other := NodeID{1}, NodeID{2}
	stale, staleCtx := running(t, &all, 1, peer)
	lively, livelyCtx := running(t, &all, 2, peer)
	others, othersCtx := running(t, &all, 3, other)
	all.noMore(stale.id, rendezvous.OverPeerGone)
	all.noMore(lively.id, rendezvous.OverPeerFinished)
	all.noMore(others.id, rendezvous.OverPeerGone)
	fresh, freshCtx := running(t, &all, 4, peer)
	all.supersede(t.Context(), fresh)
	for name, c := range map[string]struct {
		ctx    context.Context
		isOver bool
	}{
		"of a peer that has gone":      {staleCtx, true},
		"of a peer that has not":       {livelyCtx, false},
		"of another peer":              {othersCtx, false},
		"the one that supersedes them": {freshCtx, false},
	} {
		if (c.ctx.Err() != nil) != c.isOver {
			t.Errorf("the attempt %s was given up: %v, want %v", name, c.ctx.Err() != nil, c.isOver)
		}
	}
	select {
	case <-stale.done:
	case <-time.After(10 * time.Second):
		t.Error("the attempt that was given up does not end")
	}
}

func TestAnAttemptMakesWayForAPeerThatIsComingBack(t *testing.T) {
	n := &Node{log: slog.New(slog.DiscardHandler)}
	peer, mine := NodeID{1}, wire.AttemptID{9}
	l := &link{peer: peer}
	n.links.add(l)
	a, ctx := running(t, &n.attempts, 1, peer)
	n.metComingBack(a, mine)
	if ctx.Err() != nil {
		t.Error("it was given up although the session waits for no path")
	}
	l.later.Store(&mine)
	n.metComingBack(a, wire.AttemptID{8})
	if ctx.Err() != nil {
		t.Error("it was given up for another connection")
	}
	n.metComingBack(a, mine)
	if ctx.Err() == nil {
		t.Error("it holds the ports although the peer is coming back")
	}
}
