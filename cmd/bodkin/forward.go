package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/forward"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
)

func newForward(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "forward [BIND:]PORT:PEER:SERVICE...",
		Short: "Make services of nodes local ports",
		Long: `Listen on local TCP ports, and connect each connection that comes to a service of
a node, until Ctrl-C. The end of each direction is passed on by itself. Without
BIND only this machine can connect: with 0.0.0.0 others can too. Port 0 takes a
free one.

On the other machine the service is what bodkin up --expose or bodkin listen
serves; the service socks of bodkin up --socks is a SOCKS5 proxy.`,
		Example: `  bodkin forward 8080:ben:web
  bodkin forward 2222:ben:ssh 5432:db:postgres 0.0.0.0:8080:ben:web
  bodkin forward 1080:ben:socks       then: curl --socks5-hostname localhost:1080 ...`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeForward(g),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misuse("for example 8080:ben:web", "bodkin forward wants [BIND:]PORT:PEER:SERVICE")
			}
			return nil
		},
	}
	asJSON := jsonFlag(c, "an object for each port once it listens: {listen, peer, service}")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var all []forwarding
		for _, arg := range args {
			f, err := parseForwarding(arg)
			if err != nil {
				return err
			}
			all = append(all, f)
		}
		if err := listenLocally(c.Context(), all); err != nil {
			return err
		}
		defer closeAll(all)
		node, err := openDialer(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		if err := tellForwardings(c, all, *asJSON); err != nil {
			return err
		}
		return runForwardings(c.Context(), node, all, c.ErrOrStderr())
	}
	return c
}

// A forwarding is a local port that leads to a service of a peer.
type forwarding struct {
	bind          string // host:port
	peer, service string
	listener      net.Listener
}

// String tells where it leads: "127.0.0.1:8080 to web of ben".
func (f forwarding) String() string {
	bind := f.bind
	if f.listener != nil {
		bind = f.listener.Addr().String()
	}
	return fmt.Sprintf("%s to %s of %s", bind, f.service, f.peer)
}

// anyPort tells whether it takes a free port, so that there can be several of the same.
func (f forwarding) anyPort() bool { return strings.HasSuffix(f.bind, ":0") }

// parseForwarding reads [BIND:]PORT:PEER:SERVICE.
func parseForwarding(text string) (forwarding, error) {
	bad := func(why string) (forwarding, error) {
		return forwarding{}, misuse("for example 8080:ben:web, or 0.0.0.0:8080:ben:web", "%s: %s", text, why)
	}
	host, rest := "127.0.0.1", text
	if inside, ok := strings.CutPrefix(text, "["); ok { // IPv6
		bind, after, found := strings.Cut(inside, "]:")
		if !found {
			return bad("want [BIND]:PORT:PEER:SERVICE")
		}
		host, rest = bind, after
	}
	parts := strings.Split(rest, ":")
	if len(parts) == 4 && rest == text {
		host, parts = parts[0], parts[1:]
	}
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return bad("want [BIND:]PORT:PEER:SERVICE")
	}
	if err := cmp.Or(checkPeer(parts[1]), checkService(parts[2])); err != nil {
		return forwarding{}, err
	}
	port, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil {
		return bad(fmt.Sprintf("%q is no port", parts[0]))
	}
	return forwarding{bind: net.JoinHostPort(host, strconv.FormatUint(port, 10)), peer: parts[1], service: parts[2]}, nil
}

// listenLocally opens all ports, or none.
func listenLocally(ctx context.Context, all []forwarding) error {
	for i := range all {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", all[i].bind)
		if err != nil {
			closeAll(all[:i])
			return cannotListen(all[i].bind, err)
		}
		all[i].listener = l
	}
	return nil
}

// cannotListen explains why there is no listener at an address.
func cannotListen(bind string, err error) error {
	switch address, inUse := addressInUse(err); {
	case inUse:
		return fail("choose another port; 0 takes a free one", "%s is in use by another program", address)
	case sockerr.IsElsewhere(err):
		return fail("leave BIND out for this machine alone, or give 0.0.0.0 for others too", "%s is no address of this machine", bind)
	case errors.Is(err, fs.ErrPermission):
		return fail("ports below 1024 are for root: choose another; 0 takes a free one", "%s may not be listened on by this user", bind)
	}
	return err
}

func closeAll(all []forwarding) {
	for _, f := range all {
		f.listener.Close()
	}
}

// tellForwardings says where it listens.
func tellForwardings(c *cobra.Command, all []forwarding, asJSON bool) error {
	for _, f := range all {
		address := f.listener.Addr().String()
		if !asJSON {
			fmt.Fprintf(c.ErrOrStderr(), "%s leads to %s of %s\n", address, printable(f.service), printable(f.peer))
			continue
		}
		line := struct {
			Listen  string `json:"listen"`
			Peer    string `json:"peer"`
			Service string `json:"service"`
		}{address, f.peer, f.service}
		if err := json.NewEncoder(c.OutOrStdout()).Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// runForwardings serves all ports until ctx ends, or one of them fails.
func runForwardings(ctx context.Context, node control.Node, all []forwarding, errs io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &complaints{errs: errs}
	var tasks sync.WaitGroup
	for _, f := range all {
		tasks.Go(func() {
			open := func(ctx context.Context) (io.ReadWriteCloser, error) {
				stream, err := openForwarding(ctx, node, f, c)
				if errors.Is(err, control.ErrStopped) {
					cancel(err) // the node that runs has gone, and with it all that this command can do
				}
				if err != nil {
					return nil, err
				}
				return stream, nil
			}
			if err := forward.Each(ctx, f.listener, open, nil); err != nil {
				cancel(err)
			}
		})
	}
	tasks.Wait()
	return context.Cause(ctx)
}
