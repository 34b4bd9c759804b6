package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestAcceptedNodesAreKnownAndBytesFlow(t *testing.T) {
	server, key := newServer(t), newKey(t)
	config := server.nodeConfig(t, key, tls.NewLRUClientSessionCache(1))
	for i := range 3 {
		node, conn := accept(t, server, config)
		if conn.Node() != key.NodeID() || conn.Room() != server.room.ID() || conn.Resumed() != (i > 0) {
			t.Errorf("connection %d: %v in %v, resumed %v", i, conn.Node(), conn.Room(), conn.Resumed())
		}
		suite := node.ConnectionState().CipherSuite
		if keeps := conn.fallback != nil; keeps == (suite == tls.TLS_AES_128_GCM_SHA256) {
			t.Errorf("%s: keeps the handshake's memory: %v", tls.CipherSuiteName(suite), keeps)
		}
		if os.Getenv(noAES) != "" && runtime.GOOS+runtime.GOARCH == "linuxamd64" && suite != tls.TLS_CHACHA20_POLY1305_SHA256 {
			t.Errorf("without AES hardware: %s", tls.CipherSuiteName(suite))
		}
		exchange(t, node, conn)
		exchange(t, conn, node)
	}
}

// exchange sends sizes around every limit of a record from one end to the other.
func exchange(t *testing.T, from, to net.Conn) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{1, 2, 100, maxPlain - 1, maxPlain, maxPlain + 1, 300_000} {
		sent, got := make([]byte, size), make([]byte, size)
		random.Read(sent)
		failed := make(chan error, 1)
		go func() {
			_, err := from.Write(sent)
			failed <- err
		}()
		if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes: %v, equal: %v", size, err, bytes.Equal(got, sent))
		}
		if err := <-failed; err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A node sends its first message right behind the handshake's last, often in the same packet.
func TestDataBehindTheHandshakeIsNotLost(t *testing.T) {
	server := newServer(t)
	p := loopback(t)
	defer p.close()
	node := tls.Client(&joinWrites{Conn: p.client}, server.nodeConfig(t, newKey(t), nil))
	done := make(chan error, 1)
	go func() {
		_, err := node.Write([]byte("register"))
		done <- err
	}()
	conn, err := Accept(t.Context(), p.server, server.config)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "register" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// joinWrites holds back the client's second flight until its first data.
type joinWrites struct {
	net.Conn
	writes int
	held   []byte
}

func (j *joinWrites) Write(p []byte) (int, error) {
	if j.writes++; j.writes == 2 {
		j.held = bytes.Clone(p)
		return len(p), nil
	}
	if _, err := j.Conn.Write(append(j.held, p...)); err != nil {
		return 0, err
	}
	j.held = nil
	return len(p), nil
}

// noAES is set in the environment of a process that runs as if without AES hardware.
const noAES = "BODKIN_TEST_NO_AES"

func TestNodesWithoutAESHardwareAreAccepted(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestAcceptedNodesAreKnownAndBytesFlow$|^TestClose", "-test.v")
	cmd.Env = append(os.Environ(), noAES+"=1", "GODEBUG=cpu.aes=off,cpu.pclmulqdq=off,cpu.pmull=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCloseIsSeenAsTheEndOnBothSides(t *testing.T) {
	server, key := newServer(t), newKey(t)
	node, conn := accept(t, server, server.nodeConfig(t, key, nil))
	node.Close()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the server reads %v, want EOF", err)
	}
	node, conn = accept(t, server, server.nodeConfig(t, key, nil))
	conn.Close()
	if _, err := node.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the node reads %v, want EOF", err)
	}
	if _, err := conn.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	conn.Close() // may be repeated
}

func TestCloseFreesABlockedReadAndWrite(t *testing.T) {
	server := newServer(t)
	_, conn := accept(t, server, server.nodeConfig(t, newKey(t), nil))
	failed := make(chan error, 2)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		failed <- err
	}()
	go func() {
		var err error
		for err == nil { // until the buffers of both sockets are full
			_, err = conn.Write(make([]byte, maxPlain))
		}
		failed <- err
	}()
	conn.Close()
	for range 2 {
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	}
}

func TestAReadThatTimedOutGoesOn(t *testing.T) {
	for cut := range headerSize + 30 {
		near, far := net.Pipe()
		conn, out := pairOf(far)
		record := out.seal(recordData, []byte("hello"))
		if cut >= len(record) {
			break
		}
		go func() {
			near.Write(record[:cut])
			conn.SetReadDeadline(time.Unix(1, 0))
		}()
		buf := make([]byte, 10)
		_, err := conn.Read(buf)
		if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
			t.Fatalf("after %d bytes: got %v, want a timeout", cut, err)
		}
		conn.SetReadDeadline(time.Time{})
		go near.Write(record[cut:])
		if n, err := conn.Read(buf); string(buf[:n]) != "hello" || err != nil {
			t.Errorf("after %d bytes: got %q, %v", cut, buf[:n], err)
		}
		near.Close()
	}
}

func TestRefusedHandshakesCloseTheConnection(t *testing.T) {
	server := newServer(t)
	for name, config := range map[string]*tls.Config{
		"no certificate": {InsecureSkipVerify: true, NextProtos: []string{ServerProtocol}},
		"no ALPN":        withoutALPN(server.nodeConfig(t, newKey(t), nil)),
		"not a node":     mustServerConfig(t, newKey(t)),
	} {
		config.InsecureSkipVerify = true
		p := loopback(t)
		read := make(chan error, 1)
		go func() {
			_, err := tls.Client(p.client, config).Read(make([]byte, 1))
			read <- err
		}()
		if conn, err := Accept(t.Context(), p.server, server.config); err == nil || conn != nil {
			t.Errorf("%s: accepted", name)
		}
		if err := <-read; err == nil {
			t.Errorf("%s: the client noticed nothing", name)
		}
		if _, err := p.server.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the connection is open", name)
		}
	}
}

func TestASlowHandshakeEndsWithItsContext(t *testing.T) {
	server, p := newServer(t), loopback(t)
	defer p.close()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := Accept(ctx, p.server, server.config)
		failed <- err
	}()
	p.client.Write([]byte{22, 3, 1})
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestASessionOfAnotherServerIsNotResumed(t *testing.T) {
	server, other := newServer(t), newServer(t)
	config := server.nodeConfig(t, newKey(t), tls.NewLRUClientSessionCache(1))
	accept(t, server, config)
	other.key, other.room = server.key, server.room
	var err error
	if other.config, err = ServerConfig(other.key, mustTickets(t, t.TempDir()+"/tickets", time.Now())); err != nil {
		t.Fatal(err)
	}
	if _, conn := accept(t, other, config); conn.Resumed() {
		t.Error("resumed with other ticket keys")
	}
}

// accept connects a node to the server. Its ticket has arrived when accept returns.
func accept(tb testing.TB, server testServer, config *tls.Config) (*tls.Conn, *Conn) {
	tb.Helper()
	p := loopback(tb)
	tb.Cleanup(p.close)
	node := tls.Client(p.client, config)
	failed := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(node, make([]byte, 2))
		failed <- err
	}()
	conn, err := Accept(tb.Context(), p.server, server.config)
	if err != nil {
		tb.Fatalf("Accept: %v; the node: %v", err, <-failed)
	}
	if _, err := conn.Write([]byte("hi")); err != nil {
		tb.Fatal(err)
	}
	if err := <-failed; err != nil {
		tb.Fatal(err)
	}
	return node, conn
}

// pairOf returns a Conn over conn, and what the node would seal its records with.
func pairOf(conn net.Conn) (*Conn, *halfConn) {
	c, node := &Conn{net: conn}, &halfConn{}
	secret := bytes.Repeat([]byte{7}, secretSize)
	c.in.setSecret(secret)
	c.out.setSecret(secret)
	node.setSecret(secret)
	return c, node
}

func withoutALPN(config *tls.Config) *tls.Config {
	config.NextProtos, config.VerifyConnection = nil, nil
	return config
}

func mustServerConfig(t *testing.T, key Key) *tls.Config {
	t.Helper()
	config, err := ServerConfig(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return config
}
