package forward_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/bodkin-p2p/bodkin/forward"
	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

type result struct {
	counts forward.Counts
	err    error
}

// spliced returns two outer ends that a Splice joins, and what it will return.
func spliced(t *testing.T) (left, right *net.TCPConn, done <-chan result) {
	t.Helper()
	left, a := tcptest.Pair(t)
	b, right := tcptest.Pair(t)
	results := make(chan result, 1)
	go func() {
		counts, err := forward.Splice(a, b)
		results <- result{counts, err}
	}()
	return left, right, results
}

func TestAnAnswerArrivesAfterTheRequestHasEnded(t *testing.T) {
	client, service, done := spliced(t)
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
	if r := <-done; r.err != nil || r.counts != (forward.Counts{AtoB: int64(len(request)), BtoA: 6}) {
		t.Errorf("Splice: %+v, %v", r.counts, r.err)
	}
}

func TestACutIsNotPassedOnAsAnEnd(t *testing.T) {
	client, service, done := spliced(t)
	client.SetLinger(0)
	client.Close() // RST
	if r := <-done; r.err == nil {
		t.Error("Splice returned no error for a connection that was reset")
	}
	if _, err := io.ReadAll(service); err == nil {
		t.Error("the service took the cut for an end")
	}
}

func TestTheLastWordsOfAServiceThatReadsNoMoreArrive(t *testing.T) {
	client, service, done := spliced(t)
	go func() {
		for {
			if _, err := client.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}()
	service.Write([]byte("too large"))
	service.CloseWrite()
	got := make([]byte, 9)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "too large" {
		t.Errorf("client got %q, %v", got, err)
	}
	service.SetLinger(0)
	service.Close()
	if r := <-done; r.err == nil {
		t.Error("Splice returned no error although not all was taken")
	}
}

func TestClosingAnEndStopsASplice(t *testing.T) {
	left, a := tcptest.Pair(t)
	b, right := tcptest.Pair(t)
	done := make(chan error, 1)
	go func() {
		_, err := forward.Splice(a, b)
		done <- err
	}()
	a.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Splice: %v, want net.ErrClosed", err)
	}
	for _, end := range []net.Conn{left, right} {
		if _, err := end.Read(make([]byte, 1)); err == nil {
			t.Error("an outer end is still open")
		}
	}
}

// aborting is a connection that notes how it was ended.
type aborting struct {
	*net.TCPConn
	aborted chan struct{}
}

func (a *aborting) Abort() error {
	close(a.aborted)
	return a.Close()
}

func TestAConnectionThatCanAbortIsAborted(t *testing.T) {
	client, a := tcptest.Pair(t)
	b, _ := tcptest.Pair(t)
	there := &aborting{b, make(chan struct{})}
	client.SetLinger(0)
	client.Close()
	forward.Splice(a, there)
	select {
	case <-there.aborted:
	default:
		t.Error("the other end was closed in order")
	}
}
