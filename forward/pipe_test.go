package forward_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/bodkin-p2p/bodkin/forward"
)

// tcpPair returns the two ends of a TCP connection over loopback.
func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dialled.Close()
		accepted.Close()
	})
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

// piped returns two outer ends that a pipe joins, and the pipe's result.
func piped(t *testing.T, ctx context.Context) (left, right *net.TCPConn, result <-chan error) {
	t.Helper()
	left, a := tcpPair(t)
	b, right := tcpPair(t)
	done := make(chan error, 1)
	go func() { done <- forward.Pipe(ctx, a, b) }()
	return left, right, done
}

func TestAnAnswerArrivesAfterTheRequestHasEnded(t *testing.T) {
	client, service, result := piped(t, t.Context())
	request := bytes.Repeat([]byte("question "), 100_000)

	go func() {
		client.Write(request)
		client.CloseWrite()
	}()
	got, err := io.ReadAll(service)
	if err != nil || !bytes.Equal(got, request) {
		t.Fatalf("service got %d bytes, %v; want the %d of the request and its end", len(got), err, len(request))
	}
	service.Write([]byte("answer"))
	service.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Errorf("client got %q, %v", got, err)
	}
	if err := <-result; err != nil {
		t.Errorf("Pipe: %v", err)
	}
}

func TestACutIsNotPassedOnAsAnEnd(t *testing.T) {
	client, service, result := piped(t, t.Context())
	client.SetLinger(0)
	client.Close() // RST
	if err := <-result; err == nil {
		t.Error("Pipe returned no error for a connection that was reset")
	}
	service.Close()
}

func TestTheReasonOfACutReachesABreaker(t *testing.T) {
	client, a := tcpPair(t)
	b, _ := tcpPair(t)
	to := &breaker{Conn: b}
	client.SetLinger(0)
	client.Close()
	err := forward.Pipe(t.Context(), a, to)
	if err == nil || !errors.Is(to.reason, err) {
		t.Errorf("Pipe returned %v, the breaker was told %v; want the same", err, to.reason)
	}
}

type breaker struct {
	forward.Conn
	reason error
}

func (b *breaker) CloseWithError(err error) error {
	b.reason = err
	return nil
}

func TestTheEndOfTheContextBreaksAPipeOff(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	client, service, result := piped(t, ctx)
	why := errors.New("enough")
	cancel(why)
	if err := <-result; !errors.Is(err, why) {
		t.Errorf("Pipe: %v, want %v", err, why)
	}
	for _, end := range []net.Conn{client, service} {
		if _, err := end.Read(make([]byte, 1)); err == nil {
			t.Error("an outer end is still open")
		}
	}
}
