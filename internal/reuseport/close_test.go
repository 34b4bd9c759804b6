package reuseport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestCloseUnblocksAcceptAndMayBeCalledTwice(t *testing.T) {
	p := openPort(t, Config{})
	result := make(chan error)
	go func() {
		_, err := p.Accept()
		result <- err
	}()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Errorf("pending Accept: got %v, want %v", err, net.ErrClosed)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: got %v, want %v", err, net.ErrClosed)
	}
	_, err := p.Dial(t.Context(), at(p))
	if !errors.Is(err, net.ErrClosed) || Classify(err) != Canceled {
		t.Errorf("Dial: got %v, want %v", err, net.ErrClosed)
	}
	if err := p.Check(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Check: got %v, want %v", err, net.ErrClosed)
	}
}

func TestCloseLeavesConnectionsToTheirOwners(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	dialled := dial(t, p, at(q))
	accepted := accept(t, q)
	if err := errors.Join(p.Close(), q.Close()); err != nil {
		t.Fatal(err)
	}
	speak(t, dialled, accepted)
	speak(t, accepted, dialled)
}

func TestCloseEndsConnectionsThatNobodyAccepted(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	first := dial(t, p, at(q))
	if _, err := q.Accept(); err != nil { // the loops run now
		t.Fatal(err)
	}
	_ = Abort(first)
	var waiting []net.Conn
	for range acceptQueue + 4 { // more than the queue holds
		waiting = append(waiting, dial(t, openPort(t, Config{}), at(q)))
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for i, c := range waiting {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || Classify(err) == TimedOut {
			t.Errorf("connection %d: got %v, want it closed", i, err)
		}
	}
}

func TestAbortFreesThePairAtOnce(t *testing.T) {
	p := openPort(t, Config{})
	l := listenOn(t, "tcp4", "127.0.0.1:0")
	for i := range 3 {
		c := dial(t, p, listenAddrPort(l))
		peer := accept(t, l)
		if i == 2 {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // Abort looks below it
		}
		if err := Abort(c); err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the other end got %v, want a reset", err)
		}
	}
	near, far := net.Pipe()
	if err := Abort(near); err != nil {
		t.Errorf("a pipe: %v", err)
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other end of the pipe got %v, want %v", err, io.EOF)
	}
}

// While it is being made a connection would be reset by a close; afterwards what was
// written before a close must arrive.
func TestOrdinaryCloseIsOrderly(t *testing.T) {
	p, q := openPort(t, Config{}), openPort(t, Config{})
	c := dial(t, p, at(q))
	peer := accept(t, q)
	want := make([]byte, 1<<20)
	go func() {
		_, _ = c.Write(want)
		_ = c.Close()
	}()
	_ = peer.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(peer)
	if err != nil || len(got) != len(want) {
		t.Errorf("read %d bytes, %v, want %d and the end", len(got), err, len(want))
	}
}
