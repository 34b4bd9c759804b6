package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/settings"
)

// openDialer returns the node that runs for the home, or, if none does, one of this command's own that only dials: any
// number of those may run at once. The caller closes it.
func openDialer(ctx context.Context, g *globals, errs io.Writer) (control.Node, error) {
	h, err := openHome(g)
	if err != nil {
		return nil, err
	}
	if node, err := running(ctx, g, h); node != nil || err != nil {
		return node, err
	}
	config, err := nodeConfig(g, h, errs)
	if err != nil {
		return nil, err
	}
	config.DialOnly = true
	config.Port = 0 // the remembered one is for the node that can be dialled
	node, err := bodkin.Join(ctx, config)
	if err != nil {
		return nil, err
	}
	return control.Own(node), nil
}

// openListener returns the node that runs for the home, or, if none does, makes this command the node for as long as it
// runs. The caller closes it.
func openListener(ctx context.Context, g *globals, errs io.Writer) (control.Node, error) {
	h, err := openHome(g)
	if err != nil {
		return nil, err
	}
	if node, err := running(ctx, g, h); node != nil || err != nil {
		return node, err
	}
	node, unlock, err := startPrimary(ctx, g, h, errs, func(*bodkin.Config) {})
	if errors.Is(err, errLocked) {
		return nil, fail("start `bodkin up`; the commands of this machine can then share its node",
			"another command%s is this machine's node at the moment", h.lockedBy())
	}
	if err != nil {
		return nil, err
	}
	return primary{control.Own(node), unlock}, nil
}

// A primary is a node that holds the lock of its home.
type primary struct {
	control.Node
	unlock func()
}

func (p primary) Close() error {
	err := p.Node.Close()
	p.unlock()
	return err
}

// running returns the node that runs for the home; nil if none does.
func running(ctx context.Context, g *globals, h home) (control.Node, error) {
	client, err := control.Connect(ctx, h.dir)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := g.relay.forRunning(); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// startPrimary locks the home and joins its room with the node that others can dial, from the port it had last time.
// The error is errLocked if another process is that node. change may alter the configuration.
func startPrimary(ctx context.Context, g *globals, h home, errs io.Writer, change func(*bodkin.Config)) (*bodkin.Node, func(), error) {
	config, err := nodeConfig(g, h, errs)
	if err != nil {
		return nil, nil, err
	}
	unlock, err := h.lock()
	if err != nil {
		return nil, nil, err
	}
	change(&config)
	node, err := bodkin.Join(ctx, config)
	if config.Port != 0 && isLocal(ctx, err) {
		config.Port = 0 // something else may have it by now: take another, and remember that
		node, err = bodkin.Join(ctx, config)
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	if err := remember(h, node.Port()); err != nil { // a full disk is no reason to be away; the next start takes another port
		fmt.Fprintf(errs, "%s the port is not noted for the next start: %s\n", styleOf(errs).bad("warning:"), plain(err))
	}
	return node, unlock, nil
}

// isLocal tells whether Join failed on this machine: not by the server, and not by the end of ctx.
func isLocal(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.Is(err, bodkin.ErrServerUnreachable) && !errors.Is(err, bodkin.ErrRefused)
}

// remember notes the port for the next time.
func remember(h home, port uint16) error {
	m, err := h.membership()
	if err != nil || m.Port == port {
		return err
	}
	m.Port = port
	return h.save(m)
}

// nodeFlags adds the flags of commands that bring up a node if none runs for the home.
func nodeFlags(g *globals, c *cobra.Command) {
	c.Flags().BoolVar(&g.noPortMapping, "no-port-mapping", false,
		"leave the router alone, which is otherwise asked to forward the node's port; the same with BODKIN_NO_PORT_MAPPING=1")
	c.Flags().BoolVar(&g.noLAN, "no-lan", false,
		"do not look for peers on this network by multicast DNS, nor be found so; the same with BODKIN_NO_LAN=1")
	c.Flags().BoolVar(&g.search, "search", false,
		"where nothing better is known, look for a peer among random ports, if it does the same; may look like a port scan to others")
	c.Flags().Var(&g.relay, "relay", "when the server may relay to peers that cannot be reached directly: auto, never, or always")
}

// nodeConfig is the configuration that the home gives a node.
func nodeConfig(g *globals, h home, errs io.Writer) (bodkin.Config, error) {
	f, err := loadSettings(g, h)
	if err != nil {
		return bodkin.Config{}, err
	}
	g.fill(f)
	if g.log == nil { // commands tell what matters in words of their own
		g.log = openLog(g, &settings.File{LogFormat: f.LogFormat}, levelOff, errs)
	}
	m, err := h.membership()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("BODKIN_INVITE") != "" {
		if m, err = h.joinFirst(); err == nil {
			fmt.Fprintf(errs, "joined as %s, by the invite in BODKIN_INVITE\n", m.Name)
		}
	}
	if err != nil {
		return bodkin.Config{}, err
	}
	key, err := h.key()
	if err != nil {
		return bodkin.Config{}, err
	}
	known := h.knownPeers(m)
	if _, err := known.Lookup(m.Name); err != nil {
		return bodkin.Config{}, h.damaged(knownPeersFile, "then every name is its next bearer's", err)
	}
	return bodkin.Config{
		Invite: m.Invite, Key: key, Name: m.Name, KnownPeers: known, Port: m.Port, Relay: g.relay.policy, Search: g.search,
		NoPortMapping: g.noPortMapping || os.Getenv("BODKIN_NO_PORT_MAPPING") != "",
		NoLAN:         g.noLAN || os.Getenv("BODKIN_NO_LAN") != "",
		Connections:   int(g.connections),
		Log:           g.log.Logger,
	}, nil
}
