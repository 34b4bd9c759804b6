package bodkin

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
)

// dialRelay opens a connection to the server's relay. If the network cuts it before the server answers, it is made again inside of TLS, as
// those to come are in this network: there are boxes that let nothing pass that they do not know.
func (n *Node) dialRelay(ctx context.Context) (net.Conn, error) {
	if n.relays.isWrapped() {
		return n.dialWrapped(ctx)
	}
	conn, err := n.dialMain(ctx)
	if err != nil {
		return nil, err
	}
	return relay.Again(conn, func() (net.Conn, error) {
		wrapped, err := n.dialWrapped(ctx)
		n.log.Info("relayed connection was cut, made again inside of TLS", "err", err)
		if err == nil {
			n.relays.wrap(true)
		}
		return wrapped, err
	}), nil
}

// dialWrapped opens a connection to the server's relay inside of TLS.
func (n *Node) dialWrapped(ctx context.Context) (net.Conn, error) {
	config, err := identity.RelayConfig(n.config.Key, n.config.Invite.Room, n.config.Invite.Server)
	if err != nil {
		return nil, err
	}
	conn, err := n.dialMain(ctx)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// dialMain opens a connection to the server's main port, by a proxy if the main connection has one. It leaves from any port: nobody needs
// to know its mapping, and from the node's own the four-tuple is taken.
func (n *Node) dialMain(ctx context.Context) (conn net.Conn, err error) {
	if state := n.client.State(); state.Proxied {
		conn, err = n.dialProxied(ctx, state.Server)
	} else {
		conn, err = n.dialAnywhere(ctx, "tcp", state.Remote.String())
	}
	if err != nil {
		return nil, err
	}
	if err := reuseport.SetUserTimeout(conn, serverTimeout); err != nil {
		n.log.Debug("no user timeout on this system", "err", err)
	}
	return conn, nil
}
