package bodkin_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// TestNodeBehindAProxyIsRelayedThroughPort443: the environment of one node names a proxy, which connects to port 443 alone.
func TestNodeBehindAProxyIsRelayedThroughPort443(t *testing.T) {
	const proxyAddr = "203.0.113.77:3128"
	machine := newMachine(t)
	w := newWorldOf(t, server.Config{Main: []string{":443"}})
	var carried atomic.Int32
	serveProxy(t, w.lab.Host("proxy", natlab.At("203.0.113.77")), proxyAddr, &carried)

	walled := behind(w.lab.NAT("near", natlab.Symmetric()), "a")
	open := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
	ben := w.join(t, open, bodkin.Config{Name: "ben"}) // not behind the proxy: it is there before the environment says so
	echo(t, ben, "echo")
	t.Setenv("HTTPS_PROXY", "http://"+proxyAddr)
	ada := w.join(t, walled, bodkin.Config{Name: "ada"})
	echo(t, ada, "echo")

	conn, err := ada.Dial(t.Context(), "ben", "echo")
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
		t.Errorf("echo: got %q, %v", answer, err)
	}
	if path := conn.Path(); path.Kind != bodkin.Relayed {
		t.Errorf("path %+v, want relayed", path)
	}
	if n, stood := carried.Load(), machine.stood(); n < 2 || n > 2 && stood < stalled { // more if the node looked for another path meanwhile
		t.Errorf("the proxy carried %d connections, want the main and the relayed one", n)
	}
	for from, targets := range w.lab.SYNs() {
		for to := range targets {
			if to.Addr().String() == "203.0.113.77" && from != walled.outside {
				t.Errorf("a SYN from %v to the proxy", from)
			}
		}
	}
}

// serveProxy answers CONNECT to port 443 on host.
func serveProxy(t *testing.T, host *natlab.Host, addr string, carried *atomic.Int32) {
	t.Helper()
	l, err := host.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				proxyOne(t, host, conn, carried) // what goes wrong shows at the nodes
			}()
		}
	}()
}

func proxyOne(t *testing.T, host *natlab.Host, conn net.Conn, carried *atomic.Int32) error {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return err
	}
	if _, port, _ := net.SplitHostPort(request.Host); request.Method != http.MethodConnect || port != "443" {
		_, err := io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\n\r\n")
		return err
	}
	server, err := host.Dial(t.Context(), "tcp", request.Host)
	if err != nil {
		return err
	}
	defer server.Close()
	carried.Add(1)
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return err
	}
	go func() {
		io.Copy(server, conn)
		server.Close()
	}()
	_, err = io.Copy(conn, server)
	return err
}
