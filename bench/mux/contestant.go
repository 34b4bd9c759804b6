package mux

import (
	"context"
	"io"
	"net"

	hashicorp "github.com/hashicorp/yamux"
	libp2p "github.com/libp2p/go-yamux/v5"
	"github.com/xtaci/smux"
)

// window is the receive window of a stream that contestants with fixed windows are given: enough for 1 Gbit/s at 100 ms.
const window = 16 << 20

// A contestant is a multiplexer behind the few calls that the comparison needs.
type contestant struct {
	name string
	join func(conn net.Conn, client bool) (muxer, error)
}

type muxer interface {
	Open() (net.Conn, error)
	Accept() (net.Conn, error)
	Close() error
}

var contestants = []contestant{
	{"hashicorp-256K", joinHashicorp(256 << 10)}, // the default
	{"hashicorp-16M", joinHashicorp(window)},
	{"libp2p-256K-16M", joinLibp2p(256<<10, 16<<20, 64<<10)}, // the default: windows that grow
	{"libp2p-2M-32M", joinLibp2p(2<<20, 32<<20, 16<<10)},     // as package session has it
	{"libp2p-16M", joinLibp2p(window, window, 16<<10)},
	{"smux-16M", joinSmux}, // protocol version 2; version 1 has no window of a stream
}

func joinHashicorp(window uint32) func(net.Conn, bool) (muxer, error) {
	return func(conn net.Conn, client bool) (muxer, error) {
		c := hashicorp.DefaultConfig()
		c.LogOutput = io.Discard
		c.MaxStreamWindowSize = window
		c.EnableKeepAlive = false
		if client {
			return hashicorp.Client(conn, c)
		}
		return hashicorp.Server(conn, c)
	}
}

// libp2pMuxer hides the context of Open.
type libp2pMuxer struct{ *libp2p.Session }

func (m libp2pMuxer) Open() (net.Conn, error) { return m.OpenStream(context.Background()) }

func joinLibp2p(first, largest, message uint32) func(net.Conn, bool) (muxer, error) {
	return func(conn net.Conn, client bool) (muxer, error) {
		c := libp2p.DefaultConfig()
		c.LogOutput = io.Discard
		c.InitialStreamWindowSize = first
		c.MaxStreamWindowSize = largest
		c.MaxMessageSize = message
		c.EnableKeepAlive = false
		c.MaxIncomingStreams = 1 << 20
		join := libp2p.Server
		if client {
			join = libp2p.Client
		}
		s, err := join(conn, c, nil)
		return libp2pMuxer{s}, err
	}
}

// smuxMuxer turns smux's streams into connections.
type smuxMuxer struct{ *smux.Session }

func (m smuxMuxer) Open() (net.Conn, error)   { return m.OpenStream() }
func (m smuxMuxer) Accept() (net.Conn, error) { return m.AcceptStream() }

func joinSmux(conn net.Conn, client bool) (muxer, error) {
	c := smux.DefaultConfig()
	c.Version = 2
	c.MaxFrameSize = 65535
	c.MaxStreamBuffer = window
	c.MaxReceiveBuffer = 4 * window
	c.KeepAliveDisabled = true
	join := smux.Server
	if client {
		join = smux.Client
	}
	s, err := join(conn, c)
	return smuxMuxer{s}, err
}

// pair joins both ends of a path.
func (c contestant) pair(a, b net.Conn) (client, server muxer, err error) {
	if client, err = c.join(a, true); err != nil {
		return nil, nil, err
	}
	server, err = c.join(b, false)
	return client, server, err
}
