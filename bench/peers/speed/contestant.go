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
)

// A contestant makes streams from the one who dials to the one who listens.
type contestant struct {
	listen func(context.Context, part) (at target, accept func() ([]io.ReadWriter, error), err error)
	dial   func(context.Context, part) ([]io.ReadWriter, error)
}

func contestantNamed(name string) (contestant, error) {
	switch name {
	case "tcp":
		return overTCP(func(c net.Conn) net.Conn { return c }, func(c net.Conn) net.Conn { return c }), nil
	case "tls":
		server, err := serverTLS()
		return overTCP(func(c net.Conn) net.Conn { return tls.Server(c, server) }, func(c net.Conn) net.Conn { return tls.Client(c, clientTLS()) }), err
	case "bodkin":
		return contestant{listenBodkin, dialBodkin}, nil
	case "libp2p":
		return contestant{listenLibp2p, dialLibp2p}, nil
	}
	return contestant{}, fmt.Errorf("no contestant %q", name)
}

// overTCP is one connection, with something around it.
func overTCP(server, client func(net.Conn) net.Conn) contestant {
	return contestant{
		listen: func(ctx context.Context, p part) (target, func() ([]io.ReadWriter, error), error) {
			at, accept, err := listenTCP(p)
			return at, func() ([]io.ReadWriter, error) {
				conn, err := accept()
				if err != nil {
					return nil, err
				}
				return []io.ReadWriter{server(conn)}, nil
			}, err
		},
		dial: func(ctx context.Context, p part) ([]io.ReadWriter, error) {
			conn, err := dialTCP(p)
			if err != nil {
				return nil, err
			}
			return []io.ReadWriter{client(conn)}, nil
		},
	}
}

func listenTCP(p part) (target, func() (net.Conn, error), error) {
	l, err := net.Listen("tcp", net.JoinHostPort(p.Address, "0"))
	if err != nil {
		return target{}, nil, err
	}
	return target{Addr: l.Addr().String()}, func() (net.Conn, error) {
		defer l.Close()
		return l.Accept()
	}, nil
}

func dialTCP(p part) (net.Conn, error) { return net.Dial("tcp", p.Target.Addr) }

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

func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
}
