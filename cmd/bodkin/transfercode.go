package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/pairing"
	"github.com/bodkin-p2p/bodkin/transfer"
)

const (
	// A node offers codes with the same last two digits, by which it is found in the room, and with any before them for
	// several at a time.
	nodeNumbers = 100
	codeSlots   = (pairing.MaxNumber + 1) / nodeNumbers

	// pairTimeout is how long the other side may take to prove the code.
	pairTimeout = 10 * time.Second
	// maxCuts is how many streams may end before they have tried the code; nobody needs more than a few.
	maxCuts = 100
)

// nodeNumber is the number by which a node's codes are found. It is no secret: it saves asking everybody in the room.
func nodeNumber(id bodkin.NodeID) int {
	sum := sha256.Sum256([]byte("bodkin code " + id.String()))
	return int(binary.BigEndian.Uint16(sum[:]) % nodeNumbers)
}

func codeService(number int) string { return fmt.Sprintf("send/%d", number) }

// byCode prints a code, and sends to whoever proves to know it.
func (s *sender) byCode(ctx context.Context) error {
	listener, code, err := s.offerCode(ctx)
	if err != nil {
		return err
	}
	in := newInbox(listener)
	defer in.close()
	if err := s.view.code(code.String()); err != nil {
		return err
	}
	expired, cancel := context.WithTimeoutCause(ctx, s.expires, errExpired)
	defer cancel()
	var receiver *bodkin.NodeID // who has proven the code
	began := false
	for cuts := 0; ; {
		waiting := expired
		if receiver != nil {
			var cancel context.CancelFunc
			waiting, cancel = context.WithTimeoutCause(ctx, s.wait, transfer.ErrInterrupted)
			defer cancel()
		}
		stream, err := in.next(waiting)
		if err != nil {
			s.sayHowToGoOn(began)
			return s.aboutCode(err)
		}
		if id := stream.Peer(); receiver != nil && id != *receiver {
			stream.Refuse("somebody else has used the code")
			continue
		}
		err = s.pair(stream, code)
		if errors.Is(err, pairing.ErrCut) {
			if cuts++; cuts < maxCuts {
				continue
			}
		}
		if err != nil {
			return s.aboutCode(err)
		}
		id := stream.Peer()
		receiver, s.to = &id, printable(stream.PeerName())
		var meter transfer.Meter
		err = in.serve(stream, &meter, func() error { return s.send(ctx, stream, &meter) })
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			s.view.say("what has arrived waits there: a new send of the same, and a receive of its code, go on with it")
			return context.Cause(ctx)
		case !errors.Is(err, transfer.ErrInterrupted) || s.stream:
			return s.explain(err)
		}
		began = true
		s.view.interrupted()
		s.view.waiting("the connection to %s broke; there: bodkin receive with the same code", s.to)
	}
}

var (
	errExpired = errors.New("the code has expired")
	// errEnded tells a receiver that the sender, whose node is there, does not offer the code any more.
	errEnded = errors.New("the send has ended")
)

// offerCode draws a code, and listens for it.
func (s *sender) offerCode(ctx context.Context) (control.Listener, pairing.Code, error) {
	base := nodeNumber(s.node.ID())
	for slot := range codeSlots {
		number := base + slot*nodeNumbers
		listener, err := s.node.Listen(ctx, codeService(number))
		if errors.Is(err, bodkin.ErrServiceTaken) {
			continue // another send of this machine
		}
		if err != nil {
			return nil, pairing.Code{}, err
		}
		code, err := pairing.New(number)
		if err != nil {
			listener.Close()
		}
		return listener, code, err
	}
	return nil, pairing.Code{}, fail("end one", "this machine offers %d codes already", codeSlots)
}

// pair lets the other side prove the code. A stream that does not is closed.
func (s *sender) pair(stream control.Stream, code pairing.Code) error {
	stream.SetDeadline(time.Now().Add(pairTimeout))
	if err := pairing.Offer(stream, code, s.node.ID().String(), stream.Peer().String()); err != nil {
		stream.Abort()
		return err
	}
	return stream.SetDeadline(time.Time{})
}

// aboutCode finds the words for what ended an offer.
func (s *sender) aboutCode(err error) error {
	switch {
	case errors.Is(err, pairing.ErrWrong), errors.Is(err, pairing.ErrCut):
		return &failure{code: exitRefused, err: err, text: "somebody has tried a wrong code, so this one is void and nothing was sent",
			hint: "send again, and tell the new code to the right person"}
	case errors.Is(err, errExpired):
		return &failure{code: exitFailed, err: err, text: fmt.Sprintf("nobody has used the code in %v: it is void", s.expires),
			hint: "send again for a new code; --expires gives it more time"}
	}
	return aboutTransfer(s.to, err)
}

// byCode finds who offers a code, and receives from there.
func (r *receiver) byCode(ctx context.Context, g *globals, text string, errs io.Writer) error {
	code, err := pairing.Parse(text)
	if err != nil {
		return &failure{code: exitUsage, err: err, text: err.Error(), hint: "nothing was tried, so the code is still good: type it again"}
	}
	node, err := openDialer(ctx, g, errs)
	if err != nil {
		return err
	}
	defer node.Close()
	r.node = node
	var last error // of the transfer that is to go on
	var staging string
	var since time.Time
	for {
		stream, err := r.find(ctx, code)
		var received transfer.Received
		if err == nil {
			r.sender = stream.Peer()
			if received, err = r.receive(ctx, stream, new(transfer.Meter)); err == nil {
				return nil
			}
			staging, since = received.Staging, time.Now()
			last = aboutTransfer(printable(stream.PeerName()), err)
			if ctx.Err() != nil || !errors.Is(err, transfer.ErrInterrupted) || r.output != nil {
				r.sayHowToGoOn(staging)
				return whyStopped(ctx, last)
			}
			r.view.interrupted()
			r.view.waiting("the connection to %s broke; trying again", printable(stream.PeerName()))
		} else if ctx.Err() != nil || last == nil || time.Since(since) > r.wait || errors.Is(err, pairing.ErrWrong) || errors.Is(err, errEnded) {
			r.sayHowToGoOn(staging)
			return whyStopped(ctx, err)
		}
		if err := pause(ctx, true, retryPause); err != nil {
			r.sayHowToGoOn(staging)
			return err
		}
	}
}

// find dials the node that offers the code, and proves it.
func (r *receiver) find(ctx context.Context, code pairing.Code) (control.Stream, error) {
	peers, err := r.node.Peers(ctx)
	if err != nil {
		return nil, err
	}
	nobody := &failure{code: exitPeerUnavailable, text: fmt.Sprintf("nobody in this room offers a code with the number %d", code.Number),
		hint: "is `bodkin send` still running there, and has that machine joined the same room?"}
	for _, p := range peers {
		if !p.Online || nodeNumber(p.ID) != code.Number%nodeNumbers || r.from != "" && r.from != p.Name && r.from != p.ID.String() {
			continue
		}
		stream, err := r.prove(ctx, p.ID, code)
		switch {
		case err == nil:
			return stream, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, pairing.ErrWrong):
			return nil, &failure{code: exitRefused, err: err, text: "the code is wrong, and now void",
				hint: "ask for a new one: one wrong try ends a code"}
		case errors.Is(err, bodkin.ErrServiceUnknown) && p.ID == r.sender:
			return nil, &failure{code: exitPeerUnavailable, err: errEnded, text: fmt.Sprintf("%s has ended the send, so its code is void", printable(p.Name)),
				hint: "ask for a new one: what has arrived is not sent again"}
		case errors.Is(err, bodkin.ErrServiceUnknown), errors.Is(err, bodkin.ErrPeerUnavailable):
			continue // another node with this number
		case errors.Is(err, pairing.ErrCut):
			return nil, &failure{code: exitPeerUnavailable, err: err, text: fmt.Sprintf("%s does not offer this code any more: %s", printable(p.Name), afterCut(err)),
				hint: nobody.hint}
		}
		return nil, aboutTransfer(printable(p.Name), err)
	}
	return nil, nobody
}

// afterCut is why a pairing was cut, without the words of pairing.ErrCut.
func afterCut(err error) string {
	return strings.TrimPrefix(plain(err), pairing.ErrCut.Error()+": ")
}

func (r *receiver) prove(ctx context.Context, peer bodkin.NodeID, code pairing.Code) (control.Stream, error) {
	stream, err := r.node.Dial(ctx, peer.String(), codeService(code.Number))
	if err != nil {
		return nil, err
	}
	stream.SetDeadline(time.Now().Add(pairTimeout))
	if err := pairing.Prove(stream, code, r.node.ID().String(), peer.String()); err != nil {
		stream.Abort()
		return nil, err
	}
	return stream, stream.SetDeadline(time.Time{})
}
