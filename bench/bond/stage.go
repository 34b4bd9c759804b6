package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// delay is one way between the two hosts.
const delay = 5 * time.Millisecond

// A stage is two hosts: far, and near behind a NAT of nftables, whose link may have a rate for each flow.
type stage struct {
	lab       *natlab.Lab
	near, far *natlab.Host
	tls       *tls.Config // of both ends: who they are is not what is measured
}

func newStage(flowRate int64) (*stage, error) {
	config, err := selfSigned()
	if err != nil {
		return nil, err
	}
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	s := &stage{lab: lab, tls: config}
	s.far = lab.Host("far")
	s.near = lab.KernelNAT("nat", natlab.Kernel{}, natlab.Via(natlab.Link{Delay: delay, FlowRate: flowRate})).Host("near")
	if err := lab.Err(); err != nil {
		lab.Close()
		return nil, err
	}
	return s, nil
}

func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bond"}, NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates:       []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
	}, nil
}

// A pair is the two ends of a line, and what makes carriers for it.
type pair struct {
	stage    *stage
	listener net.Listener
	near     *line.Line // begins it, and sends
	far      *line.Line
	more     chan struct{} // a carrier is asked for

	stop context.CancelFunc
	work sync.WaitGroup
}

// open makes a line that may use several carriers, with its first.
func (s *stage) open(ctx context.Context, spread int) (*pair, error) {
	listener, err := s.far.Listen("tcp4", ":4000")
	if err != nil {
		return nil, err
	}
	p := &pair{stage: s, listener: listener, more: make(chan struct{}, 8)}
	ctx, p.stop = context.WithCancel(ctx)
	p.near = line.New(line.Config{Spread: spread, More: func() {
		select {
		case p.more <- struct{}{}:
		default:
		}
	}})
	begun := make(chan error, 1)
	p.work.Go(func() { begun <- p.take(ctx, line.Config{Spread: spread}) })
	if err := errors.Join(p.attach(ctx, false), <-begun); err != nil {
		p.close()
		return nil, err
	}
	p.work.Go(func() { // further ones, until the listener is closed
		for p.take(ctx, line.Config{}) == nil {
		}
	})
	p.work.Go(func() {
		for {
			select {
			case <-p.more:
				p.attach(ctx, true) // one that fails is asked for again
			case <-ctx.Done():
				return
			}
		}
	})
	return p, nil
}

// attach makes a connection, and gives it to the near end.
func (p *pair) attach(ctx context.Context, beside bool) error {
	port := p.listener.Addr().(*net.TCPAddr).AddrPort().Port()
	conn, err := p.stage.near.Dial(ctx, "tcp", netip.AddrPortFrom(p.stage.far.Addr(), port).String())
	if err != nil {
		return err
	}
	secured, err := record.ClientConn(ctx, conn, p.stage.tls)
	if err != nil {
		conn.Close()
		return err
	}
	return p.near.Attach(ctx, line.Carrier{Conn: secured, Beside: beside})
}

// take gives the next connection to the far end.
func (p *pair) take(ctx context.Context, config line.Config) error {
	conn, err := p.listener.Accept()
	if err != nil {
		return err
	}
	secured, err := record.ServerConn(ctx, conn, p.stage.tls)
	if err != nil {
		conn.Close()
		return err
	}
	request, err := line.Receive(ctx, secured)
	if err != nil {
		return err
	}
	if p.far == nil {
		if p.far, err = request.Begin(config); err != nil {
			return err
		}
	}
	return p.far.Take(ctx, request, line.Carrier{})
}

// close ends all of it.
func (p *pair) close() {
	p.stop()
	p.listener.Close()
	var closing sync.WaitGroup
	closing.Go(func() { p.near.Close() })
	if p.far != nil {
		closing.Go(func() { p.far.Close() })
	}
	closing.Wait()
	p.work.Wait()
}
