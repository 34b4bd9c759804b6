package forward_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/bodkin-p2p/bodkin/forward"
)

// exposing serves a new listener for target until the test ends or stop is called.
func exposing(t *testing.T, wrap func(net.Listener) net.Listener, target string) (address string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- forward.Expose(ctx, wrap(l), target, nil) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { stop() })
	return l.Addr().String(), stop
}

func plainly(l net.Listener) net.Listener { return l }

func TestEachConnectionReachesTheTarget(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				text, _ := io.ReadAll(conn)
				conn.Write([]byte("echo " + string(text)))
			}()
		}
	}()
	address, stop := exposing(t, plainly, target.Addr().String())
	for range 3 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte("hello"))
		conn.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "echo hello" {
			t.Errorf("got %q, %v", got, err)
		}
		conn.Close()
	}
	if err := stop(); err != nil {
		t.Errorf("Expose: %v, want nil when it was asked to stop", err)
	}
}

// refusing wraps accepted connections in ones that can be refused.
type refusing struct {
	net.Listener
	reasons chan string
}

func (r refusing) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	return refusable{conn, r.reasons}, err
}

type refusable struct {
	net.Conn
	reasons chan string
}

func (r refusable) Refuse(reason string) error {
	r.reasons <- reason
	return r.Close()
}

func TestACallerOfATargetThatIsDownIsTold(t *testing.T) {
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := down.Addr().String()
	down.Close()
	reasons := make(chan string, 1)
	address, _ := exposing(t, func(l net.Listener) net.Listener { return refusing{l, reasons} }, target)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if reason := <-reasons; reason != "the target can't be reached" {
		t.Errorf("refused for %q, which must not tell the address", reason)
	}
}

func TestStoppingCutsWhatRuns(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	address, stop := exposing(t, plainly, target.Addr().String())
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	there, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	there.Write([]byte("x"))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Errorf("Expose: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("Read after the stop: %v, want a reset", err)
	}
}

func TestATargetWithoutAPortIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := forward.Expose(t.Context(), l, "localhost", nil); err == nil {
		t.Error("Expose took a target without a port")
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}
