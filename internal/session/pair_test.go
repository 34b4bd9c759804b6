package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// transports are the carriers that the tests run over.
var transports = map[string]func(testing.TB) (client, server net.Conn){
	"pipe": func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() },
	"tcp":  tcpPair,
	"tls":  tlsPair,
}

func tcpPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// tlsPair is bare TLS.
func tlsPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	a, b := tcpPair(t)
	near, far := tlsConfigs(t)
	from, to := tls.Client(a, near), tls.Server(b, far)
	done := make(chan error, 1)
	go func() { done <- to.Handshake() }()
	if err := errors.Join(from.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return from, to
}

// recordPair is TLS as nodes have it.
func recordPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	a, b := tcpPair(t)
	near, far := tlsConfigs(t)
	done := make(chan error, 1)
	go func() {
		to, err := record.ServerConn(t.Context(), b, far)
		server = to
		done <- err
	}()
	from, err := record.ClientConn(t.Context(), a, near)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	return from, server
}

// tlsConfigs are for both ends of a connection whose keys are not what is tested.
func tlsConfigs(t testing.TB) (client, server *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}, MinVersion: tls.VersionTLS13}
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, server
}

// lines makes a line of both ends of a carrier.
func lines(t testing.TB, a, b net.Conn, config line.Config) (near, far *line.Line) {
	t.Helper()
	near = line.New(config)
	taken := make(chan error, 1)
	go func() {
		request, err := line.Receive(context.Background(), b)
		if err == nil {
			far, err = request.Begin(config)
		}
		if err == nil {
			err = far.Take(context.Background(), request, line.Carrier{})
		}
		taken <- err
	}()
	if err := near.Attach(context.Background(), line.Carrier{Conn: a}); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	return near, far
}

// deaf is a line with a carrier at whose other end nobody reads.
func deaf(t testing.TB) *line.Line {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	hello := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(far, make([]byte, 51))
		hello <- err
	}()
	l := line.New(line.Config{Wait: 5 * time.Second})
	if err := l.Attach(context.Background(), line.Carrier{Conn: near}); err != nil {
		t.Fatal(err)
	}
	if err := <-hello; err != nil {
		t.Fatal(err)
	}
	return l
}

// join makes sessions of both ends of a carrier, and closes them at the end of the test.
func join(t testing.TB, a, b net.Conn, config Config) (client, server *Session) {
	t.Helper()
	near, far := lines(t, a, b, line.Config{})
	return over(t, near, far, config)
}

// over makes sessions of both ends of a line, and closes them at the end of the test.
func over(t testing.TB, near, far *line.Line, config Config) (client, server *Session) {
	t.Helper()
	client, server = New(near, true, config), New(far, false, config)
	t.Cleanup(func() {
		go client.Close()
		server.Close()
		client.Close()
	})
	return client, server
}

// pipe joins two sessions with net.Pipe, for use in a synctest bubble. The caller closes them.
func pipe(t testing.TB, config Config) (client, server *Session) {
	t.Helper()
	a, b := net.Pipe()
	return join(t, a, b, config)
}

// connected opens a stream and accepts it.
func connected(t testing.TB, client, server *Session) (opened, accepted *Stream) {
	t.Helper()
	opened, err := client.Open(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	accepted, err = server.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return opened, accepted
}

func open(t testing.TB, s *Session) *Stream {
	t.Helper()
	stream, err := s.Open(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// leakless fails the test if goroutines of a session or its line are left at its end. It must be called first.
// (Seen to fail with a Close that does nothing.)
func leakless(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			stacks := make([]byte, 1<<20)
			text := string(stacks[:runtime.Stack(stacks, true)])
			if strings.Count(text, "line.(*") == 0 && strings.Count(text, "session.(*") == 0 {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Errorf("goroutines are left:\n%s", text)
				return
			}
		}
	})
}
