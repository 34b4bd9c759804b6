package bodkin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/bodkin-p2p/bodkin/internal/session"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Limits on what a peer can ask by the control streams of a session. Eight connections are asked for within seconds at most, and each
// that is answered costs up to six SYNs.
const (
	asksPerSecond = 2
	asksAtOnce    = 24
	// asksOpen is how many control streams of a session may be open, and attempts of theirs run.
	asksOpen = 4
	// askTimeout bounds a question and its reply. A session that moves a lot of data has some of that in front of both.
	askTimeout = 5 * time.Second
)

var (
	errAsking     = errors.New("bodkin: the peer is being asked already")
	errAskRefused = errors.New("bodkin: refused by the peer")
	errAskLimited = errors.New("bodkin: the peer wants fewer questions")
	errNotLinked  = errors.New("bodkin: no session of a common peer")
)

// A control is what a link keeps for its control streams.
type control struct {
	asking chan struct{} // holds one while this node makes another connection in place of that in use
	common chan struct{} // holds one while an attempt runs that a common peer introduces, or is asked to. It does not wait for what is asked by a dead path
	beside chan struct{} // holds one for each that it makes beside that
	open   chan struct{} // holds one for each question of the peer that is at work
	limit  *rate.Limiter // of the peer's questions
	rest   rest          // after connections that could not be made
	seen   sightings
}

func newControl() *control {
	return &control{
		asking: make(chan struct{}, 1), common: make(chan struct{}, 1), beside: make(chan struct{}, asksOpen), open: make(chan struct{}, asksOpen), limit: rate.NewLimiter(asksPerSecond, asksAtOnce),
	}
}

// asked takes a control stream of the peer.
func (n *Node) asked(l *link, stream *session.Stream) {
	select {
	case l.control.open <- struct{}{}:
	default:
		stream.Refuse(session.ErrBusy, "") // fails only with the session
		return
	}
	began := n.spawn(func() {
		defer func() { <-l.control.open }()
		n.answer(l, stream)
	})
	if !began {
		<-l.control.open
		stream.Abort()
	}
}

// answer reads the question on a control stream, answers it, and stays for what it began.
func (n *Node) answer(l *link, stream *session.Stream) {
	defer stream.Close()
	stream.SetDeadline(time.Now().Add(askTimeout))
	var ask wire.Ask
	if err := wire.Read(wire.Exactly(stream), &ask); err != nil {
		n.log.Debug("bad question on a control stream", "peer", l.name, "err", err)
		stream.Abort()
		return
	}
	reply, begun := n.reply(l, &ask)
	if err := wire.Write(stream, reply); err != nil {
		n.log.Debug("control stream not answered", "peer", l.name, "err", err)
	}
	stream.Close()
	if begun != nil {
		<-begun
	}
}

// reply answers a question. What it has begun ends with the channel, which is nil if there is nothing.
func (n *Node) reply(l *link, ask *wire.Ask) (reply *wire.Reply, begun <-chan struct{}) {
	if !l.control.limit.Allow() {
		return &wire.Reply{Code: wire.Reply_CODE_LIMITED}, nil
	}
	switch body := ask.Body.(type) {
	case *wire.Ask_Further:
		return n.furtherAsked(l, body.Further)
	case *wire.Ask_Call:
		return n.introducing(l, body.Call), nil
	case *wire.Ask_Called:
		return n.called(l, body.Called)
	}
	return &wire.Reply{Code: wire.Reply_CODE_REFUSED}, nil // from a newer version
}

// ask puts a question to a peer, and returns its reply if the peer has begun what was asked for.
func (n *Node) ask(ctx context.Context, l *link, ask *wire.Ask) (*wire.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, err := l.session.Open(ctx, wire.ControlService)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := wire.Write(stream, ask); err != nil {
		return nil, err
	}
	var reply wire.Reply
	if err := wire.Read(wire.Exactly(stream), &reply); err != nil {
		return nil, fmt.Errorf("bodkin: ask %s: %w", l.name, err)
	}
	switch reply.Code {
	case wire.Reply_CODE_BEGUN:
		return &reply, nil
	case wire.Reply_CODE_LIMITED:
		return nil, errAskLimited
	case wire.Reply_CODE_NOT_HERE:
		return nil, errNotLinked
	}
	return nil, errAskRefused
}
