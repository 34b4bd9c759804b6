package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/bodkin-p2p/bodkin"
)

// A stream is what all contestants have in common.
type stream interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// A contestant makes streams. Both functions return how to close what they opened.
type contestant struct {
	listen func(ctx context.Context, c transferConfig) (at dialTarget, accept func() (stream, error), stop func(), err error)
	dial   func(ctx context.Context, c transferConfig) (s stream, stop func(), err error)
}

func contestantNamed(name string) (contestant, error) {
	switch name {
	case "tcp":
		return contestant{listenTCP(nil), dialTCP(nil)}, nil
	case "tls":
		server, err := serverTLS()
		return contestant{listenTCP(server), dialTCP(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})}, err
	case "bodkin":
		return contestant{listenBodkin, dialBodkin}, nil
	case "libp2p":
		return contestant{listenLibp2p, dialLibp2p}, nil
	}
	return contestant{}, fmt.Errorf("no contestant %q", name)
}

// listenTCP listens for bare TCP, or for bare TLS if it is given a configuration.
func listenTCP(secure *tls.Config) func(context.Context, transferConfig) (dialTarget, func() (stream, error), func(), error) {
	return func(ctx context.Context, c transferConfig) (dialTarget, func() (stream, error), func(), error) {
		l, err := net.Listen("tcp", net.JoinHostPort(c.Address, "0"))
		if err != nil {
			return dialTarget{}, nil, nil, err
		}
		accept := func() (stream, error) {
			conn, err := l.Accept()
			if err != nil {
				return nil, err
			}
			if secure != nil {
				return tls.Server(conn, secure), nil
			}
			return conn.(*net.TCPConn), nil
		}
		return dialTarget{Name: l.Addr().String()}, accept, func() { l.Close() }, nil
	}
}

func dialTCP(secure *tls.Config) func(context.Context, transferConfig) (stream, func(), error) {
	return func(ctx context.Context, c transferConfig) (stream, func(), error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", c.Target.Name)
		if err != nil {
			return nil, nil, err
		}
		if secure != nil {
			return tls.Client(conn, secure), func() {}, nil
		}
		return conn.(*net.TCPConn), func() {}, nil
	}
}

// serverTLS is a configuration with a certificate that nobody checks.
func serverTLS() (*tls.Config, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, nil
}

func listenBodkin(ctx context.Context, c transferConfig) (dialTarget, func() (stream, error), func(), error) {
	node, err := joinBodkin(ctx, bodkinInvite{Invite: c.Invite, Name: c.Name})
	if err != nil {
		return dialTarget{}, nil, nil, err
	}
	l, err := node.Listen("bench")
	if err != nil {
		node.Close()
		return dialTarget{}, nil, nil, err
	}
	return dialTarget{Name: c.Name}, func() (stream, error) { return l.AcceptConn() }, func() { node.Close() }, nil
}

func dialBodkin(ctx context.Context, c transferConfig) (stream, func(), error) {
	node, err := joinBodkin(ctx, bodkinInvite{Invite: c.Invite, Name: c.Name})
	if err != nil {
		return nil, nil, err
	}
	conn, err := node.Dial(ctx, c.Target.Name, "bench")
	if err == nil && conn.Path().Kind != bodkin.Direct {
		err = fmt.Errorf("the path is %v", conn.Path().Kind)
	}
	if err != nil {
		node.Close()
		return nil, nil, err
	}
	return conn, func() { node.Close() }, nil
}

// benchProtocol names the stream of a transfer.
const benchProtocol = "/bodkin-bench/1"

func listenLibp2p(ctx context.Context, c transferConfig) (dialTarget, func() (stream, error), func(), error) {
	countDocumentationAsPublic()
	h, err := newLibp2pHost("/ip4/"+c.Address+"/tcp/0", libp2p.ForceReachabilityPublic())
	if err != nil {
		return dialTarget{}, nil, nil, err
	}
	streams := make(chan network.Stream, 1)
	h.SetStreamHandler(benchProtocol, func(s network.Stream) { streams <- s })
	accept := func() (stream, error) {
		select {
		case s := <-streams:
			return s, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return dialTarget{Peer: advertised(h)}, accept, func() { h.Close() }, nil
}

func dialLibp2p(ctx context.Context, c transferConfig) (stream, func(), error) {
	countDocumentationAsPublic()
	h, err := newLibp2pHost("/ip4/0.0.0.0/tcp/0", libp2p.ForceReachabilityPublic())
	if err != nil {
		return nil, nil, err
	}
	err = h.Connect(ctx, *c.Target.Peer)
	if err != nil {
		h.Close()
		return nil, nil, err
	}
	s, err := h.NewStream(ctx, c.Target.Peer.ID, benchProtocol)
	if err != nil {
		h.Close()
		return nil, nil, err
	}
	return s, func() { h.Close() }, nil
}
