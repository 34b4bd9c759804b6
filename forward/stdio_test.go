package forward_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bodkin-p2p/bodkin/forward"
)

func TestStdioReadsItsInputToTheEnd(t *testing.T) {
	text := strings.Repeat("all of it ", 50_000)
	ends := forward.Stdio(strings.NewReader(text), io.Discard)
	got, err := io.ReadAll(iotest.OneByteReader(io.LimitReader(ends, 1000)))
	if err != nil || string(got) != text[:1000] {
		t.Fatalf("first: %d bytes, %v", len(got), err)
	}
	rest, err := io.ReadAll(ends)
	if err != nil || string(rest) != text[1000:] {
		t.Errorf("then: %d bytes, %v; want %d", len(rest), err, len(text)-1000)
	}
}

func TestStdioPassesOnWhyReadingFailed(t *testing.T) {
	why := errors.New("disk on fire")
	ends := forward.Stdio(iotest.ErrReader(why), io.Discard)
	if _, err := ends.Read(make([]byte, 1)); !errors.Is(err, why) {
		t.Errorf("Read: %v, want %v", err, why)
	}
}

func TestClosingStdioEndsARead(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	ends := forward.Stdio(in, io.Discard)
	done := make(chan error, 1)
	go func() {
		_, err := ends.Read(make([]byte, 1))
		done <- err
	}()
	ends.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: %v, want net.ErrClosed", err)
	}
}

type closing struct {
	bytes.Buffer
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

func TestTheEndClosesTheOutputOnce(t *testing.T) {
	out := &closing{}
	ends := forward.Stdio(strings.NewReader(""), out)
	ends.Write([]byte("answer"))
	ends.(interface{ CloseWrite() error }).CloseWrite()
	ends.Close()
	if out.closed != 1 || out.String() != "answer" {
		t.Errorf("closed %d times after %q", out.closed, out.String())
	}
}
