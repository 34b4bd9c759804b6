package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener accepts the connections put into it.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// serveClient runs client against an HTTP server that has little to say, on a clock of its own.
func serveClient(t *testing.T, client func(t *testing.T, conn net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		server := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
		l := &pipeListener{make(chan net.Conn), make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		near, far := net.Pipe()
		l.conns <- far
		near.SetDeadline(time.Now().Add(time.Hour))
		client(t, near)
		near.Close()
		server.Close()
		<-served
	})
}

func TestAClientThatReadsNothingIsClosed(t *testing.T) {
	serveClient(t, func(t *testing.T, conn net.Conn) {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: s\r\n\r\n")
		time.Sleep(11 * time.Second)
		if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after 11 s: read %d, %v, want EOF", n, err)
		}
	})
}

func TestAnIdleClientIsClosed(t *testing.T) {
	serveClient(t, func(t *testing.T, conn net.Conn) {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: s\r\n\r\n")
		r := bufio.NewReader(conn)
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		start := time.Now()
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) || time.Since(start) > time.Minute {
			t.Errorf("read %v after %v, want EOF after at most a minute", err, time.Since(start))
		}
	})
}
