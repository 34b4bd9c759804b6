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
to whom. Ctrl-C or SIGTERM ends the node. Others of the room may measure the path
to it (bodkin bench), one at a time.`,
		Example: `  bodkin up
  bodkin up --mesh
  bodkin up --expose ssh=localhost:22 --expose web=localhost:8080
  bodkin up --expose ssh=localhost:22 --allow ssh=ada,eve
  bodkin up --socks '10.0.0.0/8:*'       then elsewhere: bodkin forward 1080:NAME:socks`,
		Args: cobra.NoArgs,
	}
	mesh := c.Flags().Bool("mesh", false, "link to every node of the room as it comes, so that all can talk on without the server")
	wait := c.Flags().Bool("wait", false, "wait for a server that cannot be reached, instead of exiting with 5")
	expose := c.Flags().StringArray("expose", nil, "let the room connect to a TCP service, as `NAME=HOST:PORT`; may be repeated")
	socks := c.Flags().StringArray("socks", nil, "serve a SOCKS5 proxy, as the service socks, to `HOST:PORT`: a name, *.NAME, an address, a range or * for all but this machine; a port or *; may be repeated")
	allow := c.Flags().StringArray("allow", nil, "let only these peers connect to a service, as `NAME=PEER,PEER`; may be repeated")
	asJSON := jsonFlag(c, "events to stdout, an object a line: first {event: up, name, id, port, server, reflexive, mapping}, then those of peers --watch --json")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		services, err := parseServices(*expose, *socks, *allow)
		if err != nil {
			return err
		}
		h, err := openHome(g)
		if err != nil {
			return err
		}
		node, unlock, err := startPrimary(c.Context(), g, h, c.ErrOrStderr(), func(config *bodkin.Config) {
			config.Mesh, config.Patient = *mesh, *wait
			if *wait { // for a server that may be away for long: the service has started all the same
				notify(config.Log, serviceReady, "STATUS=connecting to the server")
			}
		})
		if errors.Is(err, errLocked) {
			return fail("use it, or end it first", "the node of this machine is already running%s", h.lockedBy())
		}
		if err != nil {
			return err
		}
		defer unlock()
		defer node.Close()
		socket, err := control.Listen(h.dir)
		if err != nil {
			return err
		}
		out := c.OutOrStdout()
		if !*asJSON {
			out = nil
		}
		return runNode(c.Context(), node, socket, services, out, c.ErrOrStderr())
	}
	return c
}

// runNode serves the control socket and the exposed services until ctx or the node ends. It tells what happens: people on
// errs, or programs on out if that is not nil.
func runNode(ctx context.Context, node *bodkin.Node, socket net.Listener, services []exposure, out, errs io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel(nil)
	own := control.Own(node)
	tasks.Go(func() {
		server := control.Server{Node: own, Port: node.Port()}
		if err := server.Serve(ctx, socket); err != nil {
			cancel(err)
		}
	})
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn})) // of targets that cannot be reached
	for _, e := range services {
		listener, err := node.Listen(e.service)
		if err != nil {
			return aboutStream("this machine", e.service, err)
		}
		tasks.Go(func() { e.serve(ctx, listener, log) })
	}
	if bench, err := own.Listen(ctx, benchService); err == nil { // else somebody exposes a service of this name, which comes first
		accepting(ctx, bench)
		tasks.Go(func() { serveBench(ctx, bench) })
	}
	tellStatus(errs, node)
	tasks.Go(func() { tellMapping(ctx, errs, node) })
	print := eventPrinter(errs, false)
	if out != nil {
		print = eventPrinter(out, true)
		if err := statusJSON(out, node); err != nil {
			return err
		}
	}
	notify(log, serviceReady, "STATUS=in the room")
	err := watchPeers(ctx, own, print)
	notify(log, serviceStopping)
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

// tellStatus says where the node stands.
func tellStatus(errs io.Writer, node *bodkin.Node) {
	style := styleOf(errs)
	s := node.Status()
	fmt.Fprintf(errs, "%s is up: node %s, port %d\n", style.bold(printable(node.Name())), node.ID().Short(), node.Port())
	fmt.Fprintf(errs, "server %s sees it at %s\n", printable(s.Server), s.Reflexive)
	if !s.PortReuse {
		fmt.Fprintf(errs, "%s sockets cannot share a local port on this system: no direct path through a NAT will open\n", style.bad("warning:"))
	}
}

// tellMapping says what came of the port mapping, once that is known.
func tellMapping(ctx context.Context, errs io.Writer, node *bodkin.Node) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		m := node.Status().PortMapping
		switch {
		case m.Proven:
			fmt.Fprintf(errs, "port mapping: the router forwards %s by %s, so peers behind any NAT can connect\n", m.External, m.Protocol)
			return
		case m.Problem != "":
			fmt.Fprintf(errs, "port mapping: none, %s\n", printable(m.Problem))
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
