package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// libp2pPort is where the relay and the observers listen.
const libp2pPort = 4001

// libp2pPublicConfig names the addresses of the relay and of the observers.
type libp2pPublicConfig struct {
	Relay     string   `json:"relay"`
	Observers []string `json:"observers"`
}

// libp2pNodeConfig tells a node the peers that it knows from the start.
type libp2pNodeConfig struct {
	Relay     peer.AddrInfo   `json:"relay"`
	Observers []peer.AddrInfo `json:"observers"`
	Reachable bool            `json:"reachable"` // from everywhere, as AutoNAT would find out
}

// knows tells whether a peer is the relay or an observer.
func (c libp2pNodeConfig) knows(id peer.ID) bool {
	return id == c.Relay.ID || slices.ContainsFunc(c.Observers, func(o peer.AddrInfo) bool { return o.ID == id })
}

// A dialTarget is whom to dial: a name for Bodkin, a peer with addresses for go-libp2p.
type dialTarget struct {
	Name string         `json:"name,omitempty"`
	Peer *peer.AddrInfo `json:"peer,omitempty"`
}

// countDocumentationAsPublic makes go-libp2p take the addresses that RFC 5737 sets aside, which the lab uses, for public ones.
func countDocumentationAsPublic() {
	documentation := []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"}
	manet.Unroutable4 = slices.DeleteFunc(manet.Unroutable4, func(n *net.IPNet) bool {
		return slices.Contains(documentation, n.String())
	})
}

// newLibp2pHost makes a host with TCP alone, and the default security and multiplexing.
func newLibp2pHost(listen string, more ...libp2p.Option) (host.Host, error) {
	return libp2p.New(append([]libp2p.Option{
		libp2p.ListenAddrStrings(listen),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.SwarmOpts(swarm.WithDialRanker(swarm.NoDelayDialRanker)),
		libp2p.DisableMetrics(),
	}, more...)...)
}

// libp2pPublic plays the relay and the observers: hosts of their own, on addresses of their own.
func libp2pPublic(ctx context.Context, config json.RawMessage, io *roleIO) error {
	var c libp2pPublicConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	countDocumentationAsPublic()
	var ready libp2pNodeConfig
	for _, addr := range append([]string{c.Relay}, c.Observers...) {
		h, err := newLibp2pHost(fmt.Sprintf("/ip4/%s/tcp/%d", addr, libp2pPort), libp2p.ForceReachabilityPublic())
		if err != nil {
			return err
		}
		defer h.Close()
		info := peer.AddrInfo{ID: h.ID(), Addrs: h.Network().ListenAddresses()}
		if addr != c.Relay {
			ready.Observers = append(ready.Observers, info)
			continue
		}
		ready.Relay = info
		service, err := relay.New(h, relay.WithResources(generous()))
		if err != nil {
			return err
		}
		defer service.Close()
	}
	io.emit(evReady, "", ready)
	<-ctx.Done()
	return nil
}

// generous are relay limits that no run meets.
func generous() relay.Resources {
	r := relay.DefaultResources()
	r.Limit = &relay.RelayLimit{Duration: time.Hour, Data: 1 << 40}
	r.MaxReservations, r.MaxCircuits = 1<<20, 1<<20
	r.MaxReservationsPerIP, r.MaxReservationsPerASN = 1<<20, 1<<20
	return r
}

// libp2pNode plays a node. An order is a peer to connect to.
func libp2pNode(ctx context.Context, config json.RawMessage, io *roleIO) error {
	var c libp2pNodeConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	countDocumentationAsPublic()
	reachability := libp2p.ForceReachabilityPrivate()
	if c.Reachable {
		reachability = libp2p.ForceReachabilityPublic()
	}
	h, err := newLibp2pHost("/ip4/0.0.0.0/tcp/0", reachability,
		libp2p.EnableHolePunching(holepunch.WithTracer(&punchTracer{io: io})),
		libp2p.EnableAutoRelayWithStaticRelays([]peer.AddrInfo{c.Relay}, autorelay.WithBootDelay(0)))
	if err != nil {
		return err
	}
	defer h.Close()
	if err := settle(ctx, h, c); err != nil {
		return err
	}
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, conn network.Conn) {
		if !c.knows(conn.RemotePeer()) {
			tellConnection(io, conn)
		}
	}})
	io.emit(evReady, "", dialTarget{Peer: advertised(h)})
	for order := range io.orders {
		var to dialTarget
		if err := json.Unmarshal(order, &to); err != nil {
			return err
		}
		io.emit(evDialing, "", nil)
		if err := h.Connect(ctx, *to.Peer); err != nil {
			io.emit(evEnded, err.Error(), nil)
		}
	}
	return nil
}

// settle connects to the observers, and waits until the host has everything that it needs before a punch: addresses to
// advertise, and the hole puncher.
func settle(ctx context.Context, h host.Host, c libp2pNodeConfig) error {
	changes, err := h.EventBus().Subscribe([]any{new(event.EvtLocalAddressesUpdated), new(event.EvtLocalProtocolsUpdated)})
	if err != nil {
		return err
	}
	defer changes.Close()
	var observers sync.WaitGroup
	failures := make([]error, len(c.Observers))
	for i, o := range c.Observers {
		observers.Go(func() { failures[i] = h.Connect(ctx, o) })
	}
	observers.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for {
		info := advertised(h)
		if len(info.Addrs) > 0 && slices.Contains(h.Mux().Protocols(), holepunch.Protocol) {
			return nil
		}
		select {
		case <-changes.Out():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// advertised is what others would learn of a host: its direct public addresses if it believes to be reachable at any,
// otherwise those through its relay. Private addresses are left out, which nobody in the lab shares.
func advertised(h host.Host) *peer.AddrInfo {
	addrs := slices.DeleteFunc(h.Addrs(), func(a ma.Multiaddr) bool { return !manet.IsPublicAddr(a) })
	return &peer.AddrInfo{ID: h.ID(), Addrs: addrs}
}

// tellConnection emits a new connection to another node.
func tellConnection(io *roleIO, conn network.Conn) {
	kind := evDirect
	if isRelayed(conn.RemoteMultiaddr()) {
		kind = evRelayed
	}
	io.emit(kind, conn.RemoteMultiaddr().String(), nil)
}

func isRelayed(addr ma.Multiaddr) bool {
	_, err := addr.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// punchTracer tells what the hole puncher does. Its methods are called as things happen, by one goroutine for each peer.
type punchTracer struct {
	io *roleIO

	mu     sync.Mutex
	missed int
}

// punchTries is how often DCUtR tries (maxRetries in its source).
const punchTries = 3

// Trace implements holepunch.EventTracer.
func (t *punchTracer) Trace(e *holepunch.Event) {
	switch e := e.Evt.(type) {
	case *holepunch.StartHolePunchEvt:
		t.io.emit(evPunch, fmt.Sprint(e.RemoteAddrs), nil)
	case *holepunch.EndHolePunchEvt:
		if !e.Success {
			t.miss("hole punch: " + e.Error)
		}
	case *holepunch.DirectDialEvt:
		if !e.Success {
			t.io.emit(evMissed, "direct dial: "+e.Error, nil)
		}
	case *holepunch.ProtocolErrorEvt:
		t.io.emit(evEnded, "hole punch: "+e.Error, nil)
	}
}

// miss counts the tries that failed.
func (t *punchTracer) miss(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missed++
	t.io.emit(evMissed, text, nil)
	if t.missed == punchTries {
		t.io.emit(evEnded, text, nil)
	}
}
