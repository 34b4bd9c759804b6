package batch

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

// counted counts calls, and gives reads in the sizes that a socket would.
type counted struct {
	net.Conn
	writes, reads int
	wrote         bytes.Buffer
	incoming      io.Reader
	broken        error
}

func (c *counted) Write(p []byte) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	c.writes++
	return c.wrote.Write(p)
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads++
	return c.incoming.Read(p)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func TestCorkedWritesLeaveTogetherAndOthersAtOnce(t *testing.T) {
	below := &counted{}
	c := New(below)
	data := pattern(5*size/2 + 1)
	c.Write(data[:10])
	if below.writes != 1 || c.out != nil {
		t.Fatalf("%d writes, want 1 at once, and no buffer", below.writes)
	}
	c.Cork()
	for at := 10; at < len(data); at += 16 << 10 { // as records
		c.Write(data[at:min(at+16<<10, len(data))])
	}
	if err := c.Uncork(); err != nil {
		t.Fatal(err)
	}
	if below.writes != 1+3 {
		t.Errorf("%d bytes left in %d writes, want %d", len(data), below.writes, 1+3)
	}
	if !bytes.Equal(below.wrote.Bytes(), data) {
		t.Error("other bytes came out")
	}
	if c.out != nil || c.Uncork() != nil || below.writes != 4 {
		t.Error("something is left after Uncork")
	}
}

func TestAWriteThatFailsLaterIsToldByUncork(t *testing.T) {
	broken := errors.New("broken")
	c := New(&counted{broken: broken})
	c.Cork()
	if n, err := c.Write(pattern(100)); n != 100 || err != nil {
		t.Errorf("corked: %d, %v", n, err)
	}
	if err := c.Uncork(); err != broken {
		t.Errorf("Uncork gives %v", err)
	}
}

func TestReadsGrowWithWhatIsThereAndHoldNoBufferAfterwards(t *testing.T) {
	data := pattern(8 * size)
	below := &counted{incoming: bytes.NewReader(data)}
	c := New(below)
	var got bytes.Buffer
	block := make([]byte, 16<<10)
	for {
		n, err := c.Read(block)
		got.Write(block[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Error("other bytes came out")
	}
	if most := 8 + 4; below.reads > most {
		t.Errorf("%d reads of the connection, want %d at most", below.reads, most)
	}
	if c.in != nil || c.busy {
		t.Error("a buffer is held when nothing more comes")
	}
}

func TestItIsAConnection(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := net.Pipe()
		c1, c2 = New(a), New(b)
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}
