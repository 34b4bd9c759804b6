package control

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

// linkPair returns the two ends of a stream over a TCP connection.
func linkPair(t *testing.T) (a, b *link) {
	t.Helper()
	near, far := tcptest.Pair(t)
	return newLink(near, bufio.NewReader(near), streamInfo{}), newLink(far, bufio.NewReader(far), streamInfo{})
}

func TestBytesReadAheadComeFirst(t *testing.T) {
	near, far := tcptest.Pair(t)
	far.Write([]byte("GET\n\x01\x00\x00\x05he"))
	read := bufio.NewReader(near)
	if _, err := read.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	l := newLink(near, read, streamInfo{})
	far.Write([]byte("llo\x02\x00\x00\x00"))
	if got, err := io.ReadAll(l); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestTheReasonOfACutComesThrough(t *testing.T) {
	a, b := linkPair(t)
	a.Write([]byte("some"))
	a.CloseWithError(bodkin.ErrServiceUnknown)
	got, err := io.ReadAll(b)
	if string(got) != "some" || !errors.Is(err, bodkin.ErrServiceUnknown) {
		t.Errorf("read %q, %v; want the bytes before the cut and ErrServiceUnknown", got, err)
	}
	if _, again := b.Read(make([]byte, 1)); !errors.Is(again, bodkin.ErrServiceUnknown) {
		t.Errorf("second Read: %v", again)
	}
}

// gone is a connection whose other side has closed it, after it sent what is still to be read.
type gone struct {
	net.Conn
	sent io.Reader
}

func (g gone) Read(p []byte) (int, error) { return g.sent.Read(p) }
func (gone) Write([]byte) (int, error)    { return 0, io.ErrUnexpectedEOF }

func TestAWriterLearnsTheReasonToo(t *testing.T) {
	cases := []struct {
		name  string
		close func(*link)
		want  error
	}{
		{"a reason", func(a *link) { a.CloseWithError(bodkin.ErrServiceUnknown) }, bodkin.ErrServiceUnknown},
		{"none", func(a *link) { a.Close() }, errTaken},
		{"an end", func(a *link) { a.CloseWrite(); a.Close() }, errTaken},
		{"bytes before it", func(a *link) { a.Write([]byte("some")); a.CloseWithError(bodkin.ErrServiceUnknown) }, errTaken},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			near, far := tcptest.Pair(t)
			c.close(newLink(near, bufio.NewReader(near), streamInfo{}))
			sent, err := io.ReadAll(far)
			if err != nil {
				t.Fatal(err)
			}
			conn := gone{far, bytes.NewReader(sent)}
			b := newLink(conn, bufio.NewReader(conn), streamInfo{})
			for range 2 {
				if _, err := b.Write([]byte("hello")); !errors.Is(err, c.want) {
					t.Errorf("Write: %v, want %v", err, c.want)
				}
			}
		})
	}
}

func TestCloseWithErrorDoesNotWaitForAWriteThatIsStuck(t *testing.T) {
	a, b := linkPair(t)
	stuck := make(chan error, 1)
	go func() {
		for {
			if _, err := a.Write(make([]byte, maxRecord)); err != nil {
				stuck <- err
				return
			}
		}
	}()
	a.CloseWithError(errors.New("over")) // b never reads
	if err := <-stuck; err == nil {
		t.Error("the writer was not stopped")
	}
	if _, err := io.Copy(io.Discard, b); err == nil {
		t.Error("the reader took the cut for an end")
	}
}

func TestADeadlineInsideARecordLosesNothing(t *testing.T) {
	near, far := tcptest.Pair(t)
	l := newLink(near, bufio.NewReader(near), streamInfo{})
	defer l.Close()
	for _, piece := range []string{"\x01\x00", "\x00\x02a", "b\x02\x00"} {
		far.Write([]byte(piece))
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(l, got); string(got) != "ab" || err != nil {
		t.Fatalf("read %q, %v; want ab", got, err)
	}
	l.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := l.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("after ab: %v, want the deadline", err)
	}
	l.SetReadDeadline(time.Time{})
	far.Write([]byte("\x00\x00"))
	if rest, err := io.ReadAll(l); err != nil || len(rest) > 0 {
		t.Errorf("after the deadline: %q, %v; want the end", rest, err)
	}
}

// oneWay is a net.Conn that gives fixed bytes.
type oneWay struct {
	net.Conn
	*bytes.Reader
}

func (o oneWay) Read(p []byte) (int, error)       { return o.Reader.Read(p) }
func (o oneWay) Write(p []byte) (int, error)      { return len(p), nil }
func (o oneWay) SetWriteDeadline(time.Time) error { return nil }

func FuzzALinkTakesAnyBytes(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x05hello\x02\x00\x00\x00"))
	f.Add([]byte("\x03\x00\x00\x1c{\"Code\":\"closed\",\"Text\":\"x\"}"))
	f.Add([]byte("\x03\xff\xff\xff"))
	f.Add([]byte("\x01\x00\x00\x00\x01\x00\x00\x01a"))
	f.Add([]byte("HTTP/1.1 101"))
	f.Fuzz(func(t *testing.T, input []byte) {
		conn := oneWay{Reader: bytes.NewReader(input)}
		l := newLink(conn, bufio.NewReader(conn), streamInfo{})
		got, err := io.ReadAll(l)
		if len(got) > len(input) {
			t.Errorf("%d bytes out of %d", len(got), len(input))
		}
		ended := len(input) >= headerSize && bytes.Contains(input, []byte{recordEnd, 0, 0, 0})
		if err == nil && !ended {
			t.Errorf("%q was taken for a stream with an end", input)
		}
	})
}
