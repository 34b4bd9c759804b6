package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// commandGrace is how long a command may take to end after it was asked to.
const commandGrace = 2 * time.Second

func newListen(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "listen [flags] SERVICE [-- CMD ARGS]",
		Short: "Serve a service: on stdin and stdout, or by a command",
		Long: `Take a service name, for the others in the room to connect to.

Without a command, accept one stream, join it with stdin and stdout, and end with
it. With a command, run it for each stream until Ctrl-C: the stream is its stdin
and stdout, its stderr stays here, and its environment has BODKIN_PEER and
BODKIN_PEER_ID (who it is) and BODKIN_SERVICE, but no BODKIN_INVITE and BODKIN_CODE.`,
		Example: `  bodkin listen backup > photos.tar
  bodkin listen notes -- cat notes.txt
  bodkin listen whoami -- sh -c 'echo "you are $BODKIN_PEER"'`,
		DisableFlagsInUseLine: true,
		Args: func(c *cobra.Command, args []string) error {
			dash := c.ArgsLenAtDash()
			switch {
			case dash < 0 && len(args) == 1, dash == 1 && len(args) > 1:
				return nil
			case dash < 0 && len(args) > 1:
				return misuse("put -- before the command: bodkin listen "+args[0]+" -- "+args[1], "bodkin listen wants one SERVICE")
			case dash == 1:
				return misuse("give one, or leave the -- out", "no command after --")
			}
			return misuse("`bodkin listen --help` has examples", "bodkin listen wants a SERVICE")
		},
	}
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, args []string) error {
		service, command := args[0], args[1:]
		if err := checkService(service); err != nil {
			return err
		}
		if len(command) > 0 {
			if _, err := exec.LookPath(command[0]); err != nil {
				return fail("give a program that is in the PATH, or its path", "%v", err)
			}
		}
		node, err := openListener(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		listener, err := node.Listen(c.Context(), service)
		if err != nil {
			return aboutStream("this machine", service, err)
		}
		defer listener.Close()
		fmt.Fprintf(c.ErrOrStderr(), "listening on %q as %s\n", service, printable(node.Name()))
		if len(command) == 0 {
			return listenOnce(c, listener)
		}
		return listenWith(c, listener, command)
	}
	return c
}

// accepting closes the listener when ctx ends, and returns what undoes that.
func accepting(ctx context.Context, l io.Closer) (stop func() bool) {
	return context.AfterFunc(ctx, func() { l.Close() })
}

// accepted says why Accept failed: ctx, if that has ended.
func accepted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// listenOnce serves one stream on stdin and stdout.
func listenOnce(c *cobra.Command, l control.Listener) error {
	ctx := c.Context()
	defer accepting(ctx, l)()
	stream, err := l.Accept()
	if err != nil {
		return accepted(ctx, err)
	}
	l.Close() // later ones are told that nobody listens
	fmt.Fprintf(c.ErrOrStderr(), "%s connected, %s\n", printable(stream.PeerName()), route(stream.Path()))
	if err := pipeStdio(ctx, c.InOrStdin(), c.OutOrStdout(), stream); err != nil {
		return aboutStream(stream.PeerName(), stream.Service(), err)
	}
	return nil
}

// listenWith runs the command for each stream until ctx ends, and waits for those that run.
func listenWith(c *cobra.Command, l control.Listener, command []string) error {
	ctx := c.Context()
	defer accepting(ctx, l)()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		stream, err := l.Accept()
		if err != nil {
			return accepted(ctx, err)
		}
		running.Go(func() {
			name := printable(stream.PeerName())
			fmt.Fprintf(c.ErrOrStderr(), "%s connected, %s\n", name, route(stream.Path()))
			if err := runCommand(ctx, command, stream, c.ErrOrStderr()); err != nil && ctx.Err() == nil {
				fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", name, printable(plain(err)))
			}
		})
	}
}

// withoutSecrets is an environment without what lets others into the room, or have the files of a code.
func withoutSecrets(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return strings.HasPrefix(v, "BODKIN_INVITE=") || strings.HasPrefix(v, "BODKIN_CODE=")
	})
}

// runCommand runs a command whose stdin and stdout are the stream, and closes the stream.
func runCommand(ctx context.Context, command []string, stream control.Stream, errs io.Writer) error {
	defer stream.Close()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = errs
	cmd.Env = append(withoutSecrets(os.Environ()), "BODKIN_PEER="+stream.PeerName(), "BODKIN_PEER_ID="+stream.Peer().String(), "BODKIN_SERVICE="+stream.Service())
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = commandGrace
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	// This is no forward.Splice, because the command's end ends both directions: what the peer still sends nobody reads.
	var sending sync.WaitGroup
	sending.Go(func() {
		from := &source{Reader: stream}
		io.Copy(input, from) // that the command reads no more is its own business
		if from.err != nil {
			cmd.Cancel() // the stream was cut: the command must not take that for the end of its input
			return
		}
		input.Close()
	})
	_, answerErr := io.Copy(stream, output)
	if answerErr == nil {
		answerErr = stream.CloseWrite()
	} else {
		output.Close() // lets the command notice that nobody reads
	}
	waitErr := cmd.Wait()
	stream.Close()
	sending.Wait()
	return errors.Join(waitErr, answerErr)
}

// A source remembers why reading failed, other than by the end.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// terminate asks a process to end, where there is a way to ask.
func terminate(p *os.Process) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return p.Kill()
	}
	return nil
}

// aboutStream says which stream an error is about.
func aboutStream(peer, service string, err error) error {
	f := explain(err)
	peer = printable(peer)
	switch {
	case errors.Is(err, bodkin.ErrServiceUnknown):
		f.text = fmt.Sprintf("%s does not listen on %q", peer, service)
		f.hint = fmt.Sprintf("`bodkin services %s` lists what it has; on %[1]s: `bodkin listen %[2]s`, or `bodkin up --expose %[2]s=HOST:PORT`", peer, service)
	case errors.Is(err, bodkin.ErrServiceTaken):
		f.text = fmt.Sprintf("another command of this machine listens on %q", service)
		f.hint = "choose another name, or end that command"
	case f.code == exitFailed && f.hint == "":
		if strings.Contains(f.text, "refused: the target ") { // as package forward says it, at the other side
			f.hint = fmt.Sprintf("%s offers %s, and nothing answers behind it: `bodkin status` there tells where it leads", peer, service)
		}
		f.text = fmt.Sprintf("the stream with %s broke: %s", peer, f.text)
	}
	return f
}
