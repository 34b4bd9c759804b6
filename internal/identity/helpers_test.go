package identity

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

func newKey(tb testing.TB) Key {
	tb.Helper()
	key, err := NewKey()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func newRoom(tb testing.TB) Room {
	tb.Helper()
	room, err := NewRoom()
	if err != nil {
		tb.Fatal(err)
	}
	return room
}

// A testServer is the server's side of handshakes, and a room that it knows.
type testServer struct {
	key    Key
	room   Room
	config *tls.Config
}

func newServer(tb testing.TB) testServer {
	tb.Helper()
	tickets, err := LoadOrCreateTicketKeys(tb.TempDir()+"/tickets", time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	s := testServer{key: newKey(tb), room: newRoom(tb)}
	if s.config, err = ServerConfig(s.key, tickets); err != nil {
		tb.Fatal(err)
	}
	return s
}

// nodeConfig is how the node with key connects to s.
func (s testServer) nodeConfig(tb testing.TB, key Key, cache tls.ClientSessionCache) *tls.Config {
	tb.Helper()
	config, err := NodeConfig(key, s.room, s.key.ServerID(), cache)
	if err != nil {
		tb.Fatal(err)
	}
	return config
}

// A connPair is the two ends of a connection.
type connPair struct{ client, server net.Conn }

func (p connPair) close() {
	p.client.Close()
	p.server.Close()
}

// loopback returns the two ends of a TCP connection.
func loopback(tb testing.TB) connPair {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	return connPair{client, server}
}

// handshake runs both sides, and one byte from server to client, after which the client
// has the server's session ticket.
func handshake(tb testing.TB, client, server *tls.Config, p connPair) (c, s *tls.Conn) {
	tb.Helper()
	c, s, clientErr, serverErr := tryHandshake(client, server, p)
	if clientErr != nil || serverErr != nil {
		tb.Fatalf("handshake: client %v, server %v", clientErr, serverErr)
	}
	return c, s
}

// tryHandshake is handshake that may fail at either side, or at both.
func tryHandshake(client, server *tls.Config, p connPair) (c, s *tls.Conn, clientErr, serverErr error) {
	deadline := time.Now().Add(10 * time.Second)
	p.client.SetDeadline(deadline)
	p.server.SetDeadline(deadline)
	c, s = tls.Client(p.client, client), tls.Server(p.server, server)
	done := make(chan error)
	go func() {
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte{1})
		} else {
			p.server.Close()
		}
		done <- err
	}()
	clientErr = c.Handshake()
	if clientErr == nil {
		_, clientErr = c.Read(make([]byte, 1))
	} else {
		p.client.Close()
	}
	return c, s, clientErr, <-done
}
