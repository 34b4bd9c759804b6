package bodkin

import (
	"context"
	"net"

	"github.com/bodkin-p2p/bodkin/internal/proxy"
)

// isProxied tells whether the environment wants a proxy for a server. A proxy that cannot be used counts: dialProxied says why.
func (n *Node) isProxied(server string) bool {
	way, err := proxy.FromEnvironment(server)
	return way != nil || err != nil
}

// dialProxied connects to a server as the environment wants. The proxy finds the server by its name: where one is needed, names of the
// outside are often not known inside.
func (n *Node) dialProxied(ctx context.Context, server string) (net.Conn, error) {
	way, err := proxy.FromEnvironment(server)
	if err != nil {
		return nil, err
	}
	return proxy.Connect(ctx, way, server, n.dialAnywhere)
}

// dialAnywhere opens an ordinary connection, from any port.
func (n *Node) dialAnywhere(ctx context.Context, network, address string) (conn net.Conn, err error) {
	return n.config.system.Dial(ctx, network, address)
}
