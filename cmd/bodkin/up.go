package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

func newUp(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "up",
		Short: "Run this machine's node",
		Long: `Run the node of this machine in the foreground: the others of the room see it,
can connect to it, and use the services it exposes. Other bodkin commands of this
machine use it too, so that they start at once and share its connections.

A line on stderr tells who comes and goes, and by which path this node is linked
to whom. Ctrl-C, SIGTERM or the end of its terminal ends the node. Others of the room
may measure the path to it (bodkin bench), one at a time.

All of it can be said in a file instead (bodkin config), of which a running node takes
up changes by bodkin reload or SIGHUP.`,
		Example: `  bodkin up
  bodkin up --mesh
  bodkin up --expose ssh=localhost:22 --expose web=localhost:8080
  bodkin up --expose ssh=localhost:22 --allow ssh=ada,eve
  bodkin up --forward 8080:ben:web --forward 2222:ben:ssh --receive ~/Downloads
  bodkin up --socks '10.0.0.0/8:*'       then elsewhere: bodkin forward 1080:NAME:socks`,
		Args: cobra.NoArgs,
	}
	var flags upFlags
	mesh := c.Flags().Bool("mesh", false, "link to every node of the room as it comes, so that all can talk on without the server")
	wait := c.Flags().Bool("wait", false, "wait for a server that cannot be reached, instead of exiting with 5")
	c.Flags().Var(&g.connections, "connections", "use up to so many TCP connections for a session, 1 to 8, while more of them bring more and its peer allows as many, as where a provider caps each; 1 takes no more than one share of a path that others use (default 4)")
	silent := c.Flags().Bool("no-introductions", false, "do not introduce nodes of the room that have a session with this one to each other while the server is away")
	c.Flags().StringArrayVar(&flags.expose, "expose", nil, "let the room connect to a TCP service, as `NAME=HOST:PORT`; may be repeated")
	c.Flags().StringArrayVar(&flags.socks, "socks", nil, "serve a SOCKS5 proxy, as the service socks, to `HOST:PORT`: a name, *.NAME, an address, a range or * for all but this machine; a port or *; may be repeated")
	c.Flags().StringVar(&flags.receive, "receive", "", "take all that is sent to this node, into this `directory`")
	c.Flags().StringArrayVar(&flags.allow, "allow", nil, "let only these peers use a service, as `NAME=PEER,PEER`; may be repeated")
	c.Flags().StringArrayVar(&flags.forward, "forward", nil, "make a service of a node a local port, as `[BIND:]PORT:PEER:SERVICE`; may be repeated")
	c.RegisterFlagCompletionFunc("forward", completeForward(g))
	asJSON := jsonFlag(c, "events to stdout, an object a line: first {event: up, name, id, port, server, reflexive, mapping}, then those of peers --watch --json, and received with what --receive took")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		h, err := openHome(g)
		if err != nil {
			return err
		}
		f, err := loadSettings(g, h)
		if err != nil {
			return err
		}
		p, err := planOf(flags, f)
		if err != nil {
			return err
		}
		g.log = openLog(g, f, slog.LevelWarn, c.ErrOrStderr())
		patient := isSet(g, "wait", *wait, f.Wait)
		node, unlock, err := startPrimary(c.Context(), g, h, c.ErrOrStderr(), func(config *bodkin.Config) {
			config.Mesh, config.Patient = isSet(g, "mesh", *mesh, f.Mesh), patient
			config.NoIntroductions = *silent
			if f.Introduce != nil && !g.given("no-introductions") {
				config.NoIntroductions = !*f.Introduce
			}
			if patient { // for a server that may be away for long: the service has started all the same
				notify(config.Log, serviceReady, "STATUS=connecting to the server")
			}
		})
		if errors.Is(err, errLocked) {
			return fail("use it, or end it first", "the node of this machine is already running%s", h.lockedBy())
		}
		if errors.Is(err, bodkin.ErrServerUnreachable) && !patient {
			f := explain(err)
			f.hint += "; `bodkin up --wait` goes on trying"
			return f
		}
		if err != nil {
			return err
		}
		defer unlock()
		defer node.Close()
		socket, err := control.Listen(h.dir)
		if errors.Is(err, errors.ErrUnsupported) {
			fmt.Fprintf(c.ErrOrStderr(), "bodkin: other commands cannot use this node: %s\n", plain(err))
		} else if err != nil {
			return err
		}
		out := c.OutOrStdout()
		if !*asJSON {
			out = nil
		}
		r := &reloader{globals: g, home: h, flags: flags, log: g.log, started: f}
		return runNode(c.Context(), node, socket, p, r, out, c.ErrOrStderr())
	}
	return c
}

// isSet is a flag's value if that was given, or else that of the file.
func isSet(g *globals, flag string, value bool, file *bool) bool {
	if file != nil && !g.given(flag) {
		return *file
	}
	return value
}

// runNode serves the control socket, if there is one, and what is planned until ctx or the node ends. It tells what happens: people on errs, or programs
// on out if that is not nil.
func runNode(ctx context.Context, node *bodkin.Node, socket net.Listener, p plan, r *reloader, out, errs io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel(nil)
	own, started := control.Own(node), time.Now()
	log := r.log
	t := newTeller(errs, log.format)
	serving := newServing(ctx, own, log.Logger)
	serving.delivered = t.delivered
	if out != nil {
		serving.delivered = deliveredJSON(out)
	}
	defer func() {
		cancel(nil)
		serving.close()
	}()
	if _, err := serving.apply(p); err != nil {
		if socket != nil {
			socket.Close()
		}
		return err
	}
	tasks.Go(func() {
		if socket == nil {
			return
		}
		server := control.Server{
			Node: own, Port: node.Port(), Ledger: &serving.ledger,
			Reload:  func() (control.Reloaded, error) { return r.reload(serving) },
			Service: func() control.Service { return r.report(serving, started) },
		}
		if err := server.Serve(ctx, socket); err != nil {
			cancel(err)
		}
	})
	hangups := r.globals.hangups()
	tasks.Go(func() {
		for {
			select {
			case <-hangups:
				r.reload(serving) // which logs what came of it
			case <-ctx.Done():
				return
			}
		}
	})
	t.status(node)
	for _, f := range serving.forwards {
		t.line("forward", f.now.Load().String())
	}
	if bench, err := own.Listen(ctx, benchService); err == nil { // else somebody exposes a service of this name, which comes first
		accepting(ctx, bench)
		tasks.Go(func() { serveBench(ctx, bench) })
	}
	if offers, err := own.Listen(ctx, offerService); err == nil {
		accepting(ctx, offers)
		tasks.Go(func() { serveOffers(ctx, offers, serving.offers) })
	}
	tasks.Go(func() { t.mapping(ctx, node) })
	print := t.event
	if out != nil {
		print = eventPrinter(out, true)
		if err := statusJSON(out, node); err != nil {
			return err
		}
	}
	notify(log.Logger, serviceReady, "STATUS=in the room")
	err := watchPeers(ctx, own, print)
	notify(log.Logger, serviceStopping)
	return stopped(err, node)
}

// stopped is nil for a node that was asked to end: for a service that is no failure.
func stopped(err error, node *bodkin.Node) error {
	var asked interruption
	switch {
	case errors.As(err, &asked):
		return nil
	case errors.Is(node.Err(), bodkin.ErrRefused):
		return node.Err()
	}
	return err
}

// An upEvent is the first line of up --json.
type upEvent struct {
	Event     string         `json:"event"`
	Name      string         `json:"name"`
	ID        bodkin.NodeID  `json:"id"`
	Port      uint16         `json:"port"`
	Server    string         `json:"server"`
	Reflexive netip.AddrPort `json:"reflexive"` // where the server sees the node
	Mapping   string         `json:"mapping"`   // of its NAT, as far as it is known
}

func statusJSON(out io.Writer, node *bodkin.Node) error {
	s := node.Status()
	return json.NewEncoder(out).Encode(upEvent{"up", node.Name(), node.ID(), node.Port(), s.Server, s.Reflexive, s.Mapping})
}
