package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
)

// lonelyTimeout is how long a program's lines wait for somebody to read them. A person's wait until Ctrl-C.
const lonelyTimeout = 10 * time.Second

func newChat(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "chat [PEER]",
		Short: "Exchange lines of text with a node, or with all of them",
		Long: `Send the lines of stdin to a node that is in the chat too, or to all of the room
that are, and print theirs. Whoever comes later is taken in. Lines go directly
from node to node, so the chat goes on when the server is gone.

The end of stdin (Ctrl-D) leaves the chat when the last line has arrived. If
nobody is in the chat, lines wait; those of a program for ten seconds.`,
		Example: `  bodkin chat
  bodkin chat ben
  uptime | bodkin chat ben`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completePeer(g),
	}
	asJSON := jsonFlag(c, "received lines as a JSON object each: {from, id, text}")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, args []string) error {
		for _, peer := range args {
			if err := checkPeer(peer); err != nil {
				return err
			}
		}
		node, err := openListener(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()

		ctx, cancel := context.WithCancelCause(c.Context())
		defer cancel(nil)
		room := newChatRoom(node)
		if len(args) == 1 { // also tells at once if there is no such peer
			ping, err := reach(ctx, node, args[0], func(peer string) (bodkin.Ping, error) { return node.Ping(ctx, peer) })
			if err != nil {
				return err
			}
			room.only = &person{ping.ID, ping.Name}
		}
		listener, err := node.Listen(ctx, chatService)
		if err != nil {
			if errors.Is(err, bodkin.ErrServiceTaken) {
				return fail("go on there, or end that one", "another command of this machine is in the chat already")
			}
			return err
		}
		screen, err := newScreen(c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), *asJSON, func() { cancel(interruption{sigint}) })
		if err != nil {
			listener.Close()
			return err
		}
		defer screen.close()
		room.screen = screen
		screen.notice("you are %s; %s", printable(node.Name()), room.audience())

		left := make(chan error, 1)
		go func() { left <- room.run(ctx, listener) }()
		err = talk(ctx, room, screen)
		cancel(err)
		return errors.Join(err, <-left)
	}
	return c
}

// talk sends what is typed until that ends.
func talk(ctx context.Context, room *chatRoom, screen *screen) error {
	lines, readErr := screen.lines()
	patience := time.Duration(0)
	if !screen.interactive {
		patience = lonelyTimeout
	}
	for {
		select {
		case line, ok := <-lines:
			if !ok && ctx.Err() != nil { // Ctrl-C on a terminal in raw mode is both
				return context.Cause(ctx)
			}
			if !ok {
				if err := readErr(); err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				return room.leave(ctx)
			}
			if err := room.say(ctx, line, patience); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// audience tells who will read what is typed.
func (r *chatRoom) audience() string {
	if r.only != nil {
		return fmt.Sprintf("only %s reads this", printable(r.only.name))
	}
	return "everybody in the chat reads this"
}
