package main

import (
	"context"
	"io"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const protocol = "/bodkin-speed/1"

// newHost makes a host with TCP alone, its default security and multiplexer, and without limits.
func newHost(listen ...libp2p.Option) (host.Host, error) {
	return libp2p.New(append(listen, libp2p.Transport(tcp.NewTCPTransport), libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableMetrics(),
		libp2p.DisableRelay())...)
}

func listenLibp2p(ctx context.Context, p part) (target, func() ([]io.ReadWriter, error), error) {
	h, err := newHost(libp2p.ListenAddrStrings("/ip4/" + p.Address + "/tcp/0"))
	if err != nil {
		return target{}, nil, err
	}
	streams := make(chan network.Stream, p.all())
	h.SetStreamHandler(protocol, func(s network.Stream) { streams <- s })
	at := target{Peer: &peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}}
	return at, func() ([]io.ReadWriter, error) {
		return several(p, func() (io.ReadWriter, error) { return <-streams, nil })
	}, nil
}

// dialLibp2p opens the streams, and writes a byte on each: go-libp2p tells the peer of a stream with its first write.
func dialLibp2p(ctx context.Context, p part) ([]io.ReadWriter, error) {
	h, err := newHost(libp2p.NoListenAddrs)
	if err != nil {
		return nil, err
	}
	if err := h.Connect(ctx, *p.Target.Peer); err != nil {
		return nil, err
	}
	return several(p, func() (io.ReadWriter, error) {
		s, err := h.NewStream(ctx, p.Target.Peer.ID, protocol)
		if err == nil {
			_, err = s.Write([]byte{0})
		}
		return s, err
	})
}
