package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/transfer"
)

func newReceive(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "receive [CODE] [--dir DIR]",
		Short: "Receive files and directories",
		Long: `Receive one transfer: from whoever offers the code, or, without a code, from the
first node of the room that sends to this one. Nothing is overwritten, and
nothing has its name before all of it is there and verified. If it is cut off,
what has arrived waits in a hidden directory, and the same receive goes on.

A code on the command line can be seen by other users of this machine. To avoid
that, give - and the code on stdin, or put it into BODKIN_CODE.`,
		Example: `  bodkin receive                      then elsewhere: bodkin send PATH --to NAME
  bodkin receive 42-apple-river --dir ~/Downloads
  bodkin receive --from ada --stdout | tar x`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.MaximumNArgs(1),
		ValidArgsFunction:     completeCode,
	}
	r := receiver{}
	c.Flags().StringVar(&r.dir, "dir", ".", "`directory` to receive into")
	stdout := c.Flags().Bool("stdout", false, "write a single file to stdout instead")
	c.Flags().StringVar(&r.from, "from", "", "take it from this `peer` only")
	c.Flags().DurationVar(&r.wait, "wait", defaultWait, "how long to wait for the sender to come back after the connection broke")
	asJSON := jsonFlag(c, "what happens, an object a line: {event: start|progress|path|interrupted|done, ...}")
	nodeFlags(g, c)
	c.RegisterFlagCompletionFunc("from", completePeerFlag(g))
	c.RunE = func(c *cobra.Command, args []string) error {
		text, err := readCode(c.InOrStdin(), args)
		if err != nil {
			return err
		}
		if *stdout && *asJSON {
			return misuse("give one of them", "--stdout and --json both want stdout")
		}
		if *stdout {
			r.output = c.OutOrStdout()
		} else if err := checkDir(r.dir); err != nil {
			return err
		}
		r.view = newView(c.OutOrStdout(), c.ErrOrStderr(), *asJSON)
		r.view.results = !*stdout
		if text != "" {
			return r.byCode(c.Context(), g, text, c.ErrOrStderr())
		}
		node, err := openListener(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		r.node = node
		return r.fromRoom(c.Context())
	}
	return c
}

// checkDir refuses what nothing can be received into, before a code is used up for it.
func checkDir(dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return misuse("make it first, or give another with --dir", "there is no directory %s", dir)
	}
	trial, err := os.MkdirTemp(dir, ".bodkin-*.trial")
	if err != nil {
		if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
			err = inner.Err
		}
		return fail("give another with --dir", "nothing can be written into %s: %s", dir, plain(err))
	}
	return os.Remove(trial)
}

// readCode takes the code from the argument, from stdin if that is "-", or from BODKIN_CODE. Empty means none.
func readCode(in io.Reader, args []string) (string, error) {
	switch {
	case len(args) == 0:
		return os.Getenv("BODKIN_CODE"), nil
	case args[0] != "-":
		return args[0], nil
	}
	text, err := readLine(in)
	if err == nil && text == "" {
		err = misuse("the code is one line, such as 42-apple-river", "no code came from stdin")
	}
	return text, err
}

// maxCodeLine bounds what is read in search of a code.
const maxCodeLine = 200

// readLine reads a line byte by byte: what follows may be for somebody else.
func readLine(in io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < maxCodeLine; {
		n, err := in.Read(one)
		if n > 0 && one[0] != '\n' {
			line = append(line, one[0])
		}
		if n > 0 && one[0] == '\n' || err == io.EOF {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read the code from stdin: %w", err)
		}
	}
	return string(line), nil
}

// A receiver is a receive command at work.
type receiver struct {
	dir    string
	output io.Writer // instead of dir
	from   string
	wait   time.Duration
	node   control.Node
	view   *view
	sender bodkin.NodeID // who has offered the code and was met; zero: nobody yet
}

// fromRoom takes the first transfer that comes, and if that is cut off, its continuation.
func (r *receiver) fromRoom(ctx context.Context) error {
	listener, err := r.node.Listen(ctx, receiveService)
	if errors.Is(err, bodkin.ErrServiceTaken) {
		return fail("wait for it, or end it", "this machine is receiving already, by another bodkin receive or by bodkin up --receive")
	}
	if err != nil {
		return err
	}
	in := newInbox(listener)
	defer in.close()
	r.view.waiting("ready; elsewhere in the room: bodkin send PATH --to %s", printable(r.node.Name()))
	var last error // of the transfer that is to go on
	var staging string
	for {
		stream, err := r.next(ctx, in, last != nil)
		if err != nil {
			r.sayHowToGoOn(staging)
			if ctx.Err() == nil && last != nil {
				return last
			}
			return err
		}
		if !r.wanted(stream) {
			decline(ctx, stream)
			continue
		}
		var meter transfer.Meter
		var received transfer.Received
		err = in.serve(stream, &meter, func() (err error) {
			received, err = r.receive(ctx, stream, &meter)
			return err
		})
		if err == nil {
			return nil
		}
		staging = received.Staging
		last = aboutTransfer(printable(stream.PeerName()), err)
		if ctx.Err() != nil || !errors.Is(err, transfer.ErrInterrupted) || r.output != nil {
			r.sayHowToGoOn(staging)
			return whyStopped(ctx, last)
		}
		r.view.interrupted()
		r.view.waiting("the connection to %s broke; waiting for it to come back", printable(stream.PeerName()))
	}
}

// next waits for a stream: for a limited time if a transfer is to go on.
func (r *receiver) next(ctx context.Context, in *inbox, limited bool) (control.Stream, error) {
	if limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.wait)
		defer cancel()
	}
	return in.next(ctx)
}

// wanted tells whether a stream is from whom it should be.
func (r *receiver) wanted(stream control.Stream) bool {
	return r.from == "" || r.from == stream.PeerName() || r.from == stream.Peer().String()
}

// decline tells a sender that it is not wanted.
func decline(ctx context.Context, stream control.Stream) {
	ctx, cancel := context.WithTimeout(ctx, pairTimeout)
	defer cancel()
	in := transfer.Receiver{Output: io.Discard, Accept: func(transfer.Offer) error {
		return fmt.Errorf("it is waiting for another sender: %w", transfer.ErrDeclined)
	}}
	in.Receive(ctx, stream)
}

// receive takes one transfer.
func (r *receiver) receive(ctx context.Context, stream control.Stream, meter *transfer.Meter) (transfer.Received, error) {
	w := r.view.watch(ctx, "from", stream, r.node, meter)
	in := transfer.Receiver{Dir: r.dir, Output: r.output, From: stream.Peer().String(), Meter: meter}
	received, err := in.Receive(ctx, stream)
	w.stop()
	r.view.leftOut(received.LeftOut, func(string) string { return "a link that leads out of what was sent" })
	if err == nil {
		r.view.done("received", w, received.Paths)
	}
	return received, err
}

func (r *receiver) sayHowToGoOn(staging string) {
	if staging != "" {
		r.view.say("what has arrived waits in %s: the same send and receive go on with it", staging)
	}
}

// whyStopped is the cause of ctx's end, if it has ended, else err.
func whyStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
