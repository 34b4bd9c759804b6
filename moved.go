package bodkin

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/netwatch"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
)

// network is what a node has told of its network.
type network struct {
	mu    sync.Mutex
	hosts []candidate.Candidate // in the profile that the server has
}

// Everywhere stands for the internet in questions about routes: addresses of documentation, to which nothing is sent.
var (
	everywhere4 = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 9)
	everywhere6 = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}), 9)
)

// watchNetwork follows the machine from network to network until the node ends.
func (n *Node) watchNetwork() {
	n.config.system.Watch(n.ctx, netwatch.Config{Look: n.look, Changed: n.networkChanged, Log: n.log})
}

// look describes the network: addresses, the gateway, and from where the machine would go out.
func (n *Node) look() string {
	interfaces := n.interfaces()
	source4, _ := n.config.system.Source(everywhere4) // none is a description, too
	source6, _ := n.config.system.Source(everywhere6)
	return fmt.Sprint(gather.Hosts(interfaces, n.port.Number()), gather.Links(interfaces), n.config.system.Gateway(), source4, source6)
}

// networkChanged goes after the network: the server hears of the new addresses on a connection that still works, or on a new one.
// The gateway, which may be another, is asked anew.
func (n *Node) networkChanged(change netwatch.Change) {
	server := n.client.State()
	source, err := n.config.system.Source(server.Remote)
	if server.Proxied || !server.Remote.IsValid() {
		source, err = server.Local.Addr(), nil // the way to the proxy is not known
	}
	way := judgeMove(server, source, err)
	n.log.Info("network changed", "slept", change.Slept, "was", server.Local.Addr(), "is", source, "way_out", err, "then", way)
	if way == stranded {
		return // a cable that is put back in finds everything as it was
	}
	n.dropLost()
	n.askAll()
	switch way {
	case moved:
		n.relays.wrap(false) // another network, another box
		if n.aging.forget() {
			n.keepAlive()
		}
		n.client.Moved()
	case stayed:
		if n.hostsChanged() {
			n.client.Update()
		}
		n.client.Check()
		n.remeasure()
	}
	n.wakeMapping()
	nudge(n.locals.wake)
}

// A move is what a change of the network means for the connection to the server.
type move uint8

const (
	stranded move = iota // there is no way out
	moved                // its local address is gone, or is not the one to go out from any more
	stayed               // it may still work
)

// String is the move in a word, for logs.
func (m move) String() string { return [...]string{"wait", "connect again", "check"}[m] }

// judgeMove compares the connection to the server with from where one would be opened now.
func judgeMove(server rendezvous.State, source netip.Addr, noRoute error) move {
	switch {
	case noRoute != nil:
		return stranded
	case !server.Connected || source != server.Local.Addr():
		return moved
	}
	return stayed
}

// hostsChanged tells whether the node has other host candidates than the server's profile of it says.
func (n *Node) hostsChanged() bool {
	hosts := n.profile().candidates
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	return !slices.Equal(hosts, n.network.hosts)
}

// dropLost ends connections with peers whose local address this machine does not have any more. Nothing can come in on them, and their
// ends would only show after a while. The sessions get new ones.
func (n *Node) dropLost() {
	var own []netip.Addr
	for _, i := range n.interfaces() {
		for _, a := range i.Addrs {
			own = append(own, a.Prefix.Addr())
		}
	}
	for _, l := range n.links.all() {
		for _, c := range l.line.Carriers() {
			socket := c.Label.(origin).socket
			local := localAddr(socket)
			if local.IsValid() && !local.IsLoopback() && !slices.Contains(own, local) {
				n.log.Info("link lost its address", "peer", l.name, "local", local)
				_ = reuseport.Abort(socket) // the line finds out
			}
		}
	}
}

// askAll has all peers show that they are there: what broke while the machine slept, or with its network, is silent.
func (n *Node) askAll() {
	for _, l := range n.links.all() {
		l.line.Ask()
	}
}

// localAddr is this machine's address of a TCP connection; zero if it has none of that kind.
func localAddr(c net.Conn) netip.Addr {
	if tcp, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
