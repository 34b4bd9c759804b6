package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/forward"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/transfer"
)

const (
	// receiveService is what bodkin receive listens on.
	receiveService = "receive"
	// retryPause is how long a sender waits before it asks again whether the receiver is there.
	retryPause = 500 * time.Millisecond
	// defaultWait is how long both sides wait for each other.
	defaultWait = 10 * time.Minute
)

func newSend(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "send PATH... [--to PEER]",
		Short: "Send files and directories",
		Long: `Send files and directories, with all that is in them, to a node of the room that
runs bodkin receive. With --to, that is a node by name. Without, a code is
printed, to be told to whoever is to receive: bodkin receive CODE, on a machine
of the same room. A code is good for one receiver, and a wrong one ends it.
With - for a PATH, what comes from stdin is sent, as one file.

If the connection breaks, or the receiver is started again, the transfer goes on
where it was, and so it does if the same send is started again.`,
		Example: `  bodkin send report.pdf --to ben
  bodkin send photos/ notes.txt             prints a code
  tar c . | bodkin send - --name here.tar --to ben`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misuse("give one, or - for stdin", "bodkin send wants a PATH")
			}
			return nil
		},
	}
	s := sender{}
	c.Flags().StringVar(&s.to, "to", "", "`peer` to send to; none: print a code for one")
	name := c.Flags().String("name", "stdin", "name of the file that is made of stdin")
	c.Flags().DurationVar(&s.expires, "expires", time.Hour, "how long the code is good")
	c.Flags().DurationVar(&s.wait, "wait", defaultWait, "how long to wait for the receiver: to be ready, and to come back after the connection broke")
	asJSON := jsonFlag(c, "what happens, an object a line: {event: code|start|progress|path|interrupted|done, ...}")
	nodeFlags(g, c)
	c.RegisterFlagCompletionFunc("to", completePeerFlag(g))
	c.RunE = func(c *cobra.Command, args []string) error {
		if s.to != "" {
			if err := checkPeer(s.to); err != nil {
				return err
			}
		}
		source, err := openSource(c.InOrStdin(), args, *name)
		if err != nil {
			return err
		}
		s.source, s.stream = source, args[0] == "-"
		s.view = newView(c.OutOrStdout(), c.ErrOrStderr(), *asJSON)
		s.view.leftOut(source.LeftOut, whyLeftOut)
		open := openDialer
		if s.to == "" {
			open = openListener
		}
		node, err := open(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		s.node = node
		if s.to == "" {
			return s.byCode(c.Context())
		}
		return s.toPeer(c.Context())
	}
	return c
}

// whyLeftOut tells why a path cannot be sent.
func whyLeftOut(path string) string {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return "a link that leads out of what is sent"
	}
	return "neither a file nor a directory"
}

// openSource finds what is to be sent.
func openSource(in io.Reader, args []string, name string) (*transfer.Source, error) {
	for _, arg := range args {
		switch {
		case arg == "-" && len(args) > 1:
			return nil, misuse("send them one after the other", "stdin cannot be sent together with files")
		case arg == "-":
			if name != filepath.Base(name) {
				return nil, misuse("for example --name backup.tar", "--name %s: want a name without directories", name)
			}
			return transfer.Stream(name, forward.Stdio(in, nil)) // whose Read can be interrupted
		}
	}
	for _, arg := range args {
		if path, err := filepath.Abs(arg); err == nil && path == filepath.Dir(path) {
			return nil, misuse("send what is in it", "%s has no name to arrive under", arg)
		}
	}
	return transfer.Open(args...)
}

// A sender is a send command at work.
type sender struct {
	to      string
	expires time.Duration
	wait    time.Duration
	source  *transfer.Source
	stream  bool // the source is stdin, which cannot be sent twice
	node    control.Node
	view    *view
}

// toPeer sends to a node by its name or id, until it is done or nobody has been there for too long.
func (s *sender) toPeer(ctx context.Context) error {
	began := false
	last := time.Now() // that the receiver was there
	for {
		stream, err := reach(ctx, s.node, s.to, func(peer string) (control.Stream, error) { return s.node.Dial(ctx, peer, receiveService) })
		var meter transfer.Meter
		if err == nil {
			err = s.send(ctx, stream, &meter)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			s.sayHowToGoOn(began || meter.Read().Bytes > 0 && !s.stream)
			return context.Cause(ctx)
		case errors.Is(err, bodkin.ErrServiceUnknown):
			s.view.waiting("%s is not receiving; there: bodkin receive", s.to)
		case errors.Is(err, transfer.ErrInterrupted) && !s.stream:
			began, last = true, time.Now()
			s.view.interrupted()
			s.view.waiting("the connection to %s broke; waiting for it to come back", s.to)
		case !began || !comesBack(err):
			return s.explain(err)
		}
		if time.Since(last) > s.wait {
			s.sayHowToGoOn(began)
			return s.explain(err)
		}
		if err := pause(ctx, true, retryPause); err != nil {
			s.sayHowToGoOn(began)
			return err
		}
	}
}

// send sends everything over one stream.
func (s *sender) send(ctx context.Context, stream control.Stream, meter *transfer.Meter) error {
	w := s.view.watch(ctx, "to", stream, s.node, meter)
	err := transfer.Send(ctx, stream, s.source, meter)
	w.stop()
	if err == nil {
		s.view.done("sent", w, nil)
	}
	return err
}

func (s *sender) sayHowToGoOn(began bool) {
	if began {
		s.view.say("what has arrived waits there: the same send and receive go on with it")
	}
}

func (s *sender) explain(err error) error {
	return aboutTransfer(s.to, err)
}

// comesBack tells whether an error of a dial may be gone in a moment.
func comesBack(err error) bool {
	return errors.Is(err, bodkin.ErrPeerUnavailable) || errors.Is(err, bodkin.ErrNoDirectPath) || errors.Is(err, bodkin.ErrServerUnreachable)
}

// aboutTransfer finds the words for what went wrong with a transfer to or from a peer.
func aboutTransfer(peer string, err error) error {
	var remote *transfer.RemoteError
	f := explain(err)
	there := errors.As(err, &remote)
	if there {
		f.text = fmt.Sprintf("%s: %s", peer, plain(err))
	}
	switch {
	case errors.Is(err, bodkin.ErrPeerUnavailable):
		return about(peer, err)
	case errors.Is(err, bodkin.ErrServiceUnknown):
		f.text = peer + " is not receiving"
		f.hint = "there: bodkin receive"
	case errors.Is(err, transfer.ErrDeclined):
		f.code = exitRefused
	case errors.Is(err, transfer.ErrExists):
		f.hint = "nothing is overwritten: move it away, or receive into another directory: bodkin receive --dir DIR"
	case errors.Is(err, transfer.ErrName):
		f.hint = "give it another name where it is sent"
	case errors.Is(err, transfer.ErrNoSpace):
		f.hint = "make room, then start the same again: it goes on where it was"
	case errors.Is(err, transfer.ErrChanged), errors.Is(err, transfer.ErrCorrupt):
		f.hint = "start the same again: only what is missing or different is sent"
	case errors.Is(err, transfer.ErrInterrupted):
		f.hint = "start the same again: it goes on where it was"
	case errors.Is(err, transfer.ErrProtocol):
		f.hint = "is bodkin of the same version on both sides?"
	}
	return f
}
