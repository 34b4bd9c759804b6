package record

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// A counted connection counts its writes.
type counted struct {
	net.Conn
	writes atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// secured joins a Conn and crypto/tls, or two Conns, in both roles.
func secured(t testing.TB, a, b net.Conn, client, peer bool) (*Conn, net.Conn) {
	t.Helper()
	far, near := configs(t)
	secure := func(raw net.Conn, client, ours bool) (net.Conn, error) {
		switch {
		case ours && client:
			return ClientConn(context.Background(), raw, near)
		case ours:
			return ServerConn(context.Background(), raw, far)
		case client:
			c := tls.Client(raw, near)
			return c, c.Handshake()
		}
		c := tls.Server(raw, far)
		return c, c.Handshake()
	}
	type made struct {
		conn net.Conn
		err  error
	}
	other := chan1(func() made { c, err := secure(b, !client, peer); return made{c, err} })
	conn, err := secure(a, client, true)
	there := <-other
	if err := errors.Join(err, there.err); err != nil {
		t.Fatal(err)
	}
	return conn.(*Conn), there.conn
}

// chan1 runs f in a goroutine.
func chan1[T any](f func() T) <-chan T {
	done := make(chan T, 1)
	go func() { done <- f() }()
	return done
}

func eachPairing(t *testing.T, test func(t *testing.T, conn *Conn, other net.Conn)) {
	for _, client := range []bool{true, false} {
		for _, peer := range []bool{true, false} {
			t.Run(fmt.Sprintf("client %v, both ours %v", client, peer), func(t *testing.T) {
				a, b := loopback(t)
				conn, other := secured(t, a, b, client, peer)
				test(t, conn, other)
			})
		}
	}
}

func TestConnCarriesEveryByteWhateverIsReadAndWrittenAtOnce(t *testing.T) {
	eachPairing(t, func(t *testing.T, conn *Conn, other net.Conn) {
		random := rand.New(rand.NewPCG(1, 2))
		data := make([]byte, 3<<20)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		sizes := func() func() int {
			r := rand.New(rand.NewPCG(3, 4))
			return func() int { return 1 + r.IntN(1<<(4+r.IntN(14))) }
		}
		write := func(c net.Conn) error {
			for size, left := sizes(), data; len(left) > 0; {
				n, err := c.Write(left[:min(len(left), size())])
				if err != nil {
					return err
				}
				left = left[n:]
			}
			return nil
		}
		sent := chan1(func() error { return write(other) })
		var got []byte
		size := sizes()
		for len(got) < len(data) {
			space := bytes.Repeat([]byte{0xEE}, size()+300)
			want := len(space) - 300
			spare := min(300, random.IntN(600))
			n, err := conn.ReadInto(space[: want : want+spare])
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range space[want+spare:] {
				if b != 0xEE {
					t.Fatal("memory behind the spare is overwritten")
				}
			}
			got = append(got, space[:n]...)
		}
		if err := <-sent; err != nil || !bytes.Equal(got, data) {
			t.Fatalf("read other bytes than were written: %v", err)
		}
		wrote := chan1(func() error { return write(conn) })
		back := make([]byte, len(data))
		if _, err := io.ReadFull(other, back); err != nil || !bytes.Equal(back, data) {
			t.Fatalf("the other end read other bytes than were written: %v", err)
		}
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatIsCorkedLeavesAtOnce(t *testing.T) {
	a, b := loopback(t)
	under := &counted{Conn: a}
	conn, other := secured(t, under, b, true, false)
	before := under.writes.Load()
	conn.Cork()
	for range 30 {
		if _, err := conn.Write(make([]byte, 4000)); err != nil {
			t.Fatal(err)
		}
	}
	if n := under.writes.Load() - before; n != 0 {
		t.Errorf("%d writes before Uncork", n)
	}
	if err := conn.Uncork(); err != nil {
		t.Fatal(err)
	}
	if n := under.writes.Load() - before; n != 1 {
		t.Errorf("%d writes, want one", n)
	}
	if _, err := io.ReadFull(other, make([]byte, 30*4000)); err != nil {
		t.Error(err)
	}
}

func TestKeysOfAConnChange(t *testing.T) {
	eachPairing(t, func(t *testing.T, conn *Conn, other net.Conn) {
		echoed := func(text string) {
			t.Helper()
			sent := chan1(func() error { _, err := conn.Write([]byte(text)); return err })
			got := make([]byte, len(text))
			if _, err := io.ReadFull(other, got); err != nil || string(got) != text || <-sent != nil {
				t.Fatalf("other end got %q: %v", got, err)
			}
			returned := chan1(func() error { _, err := other.Write([]byte(text)); return err })
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != text || <-returned != nil {
				t.Fatalf("got %q: %v", got, err)
			}
		}
		for range 3 {
			before := conn.out.keys.secret
			conn.updateDue.Store(true)
			echoed("under new keys")
			if conn.out.keys.secret == before {
				t.Fatal("the keys did not change")
			}
			conn.out.Lock() // ask for new ones, which nobody does by himself
			ask := conn.out.keys.seal(nil, conn.out.aead, &conn.out.nonce, typeHandshake, []byte(keyUpdate[:4]+"\x01"))
			conn.out.keys.update()
			conn.out.aead, _ = conn.out.keys.aead()
			conn.Conn.Write(ask)
			conn.out.Unlock()
			before = conn.in.keys.secret
			echoed("asked for")
			if conn.in.keys.secret == before {
				t.Fatal("the other end's keys did not change")
			}
		}
	})
}

func TestLastWordsOfAConn(t *testing.T) {
	eachPairing(t, func(t *testing.T, conn *Conn, other net.Conn) {
		conn.Write([]byte("last"))
		conn.Close()
		if got, err := io.ReadAll(other); err != nil || string(got) != "last" {
			t.Errorf("the other end got %q, %v", got, err)
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
	eachPairing(t, func(t *testing.T, conn *Conn, other net.Conn) {
		other.Close()
		for range 2 {
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read after the other end's close: %v", err)
			}
		}
	})
}

// A stuck connection takes no byte once it is armed, until it is closed.
type stuck struct {
	net.Conn
	armed   atomic.Bool
	writing chan struct{}
	closed  chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	if !s.armed.Load() {
		return s.Conn.Write(p)
	}
	close(s.writing)
	<-s.closed
	return 0, net.ErrClosed
}

func (s *stuck) Close() error {
	close(s.closed)
	return s.Conn.Close()
}

func TestCloseDoesNotWaitForAWriteThatIsStuck(t *testing.T) {
	a, b := loopback(t)
	under := &stuck{Conn: a, writing: make(chan struct{}), closed: make(chan struct{})}
	conn, _ := secured(t, under, b, true, true)
	under.armed.Store(true)
	wrote := chan1(func() error { _, err := conn.Write([]byte("x")); return err })
	<-under.writing
	conn.Close()
	if <-wrote == nil {
		t.Error("the write did not fail")
	}
}

func TestADeadlineLosesNothing(t *testing.T) {
	a, b := loopback(t)
	conn, other := secured(t, a, b, false, false)
	for i := range 5 {
		conn.SetReadDeadline(time.Unix(1, 0))
		if _, err := conn.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("error is %v", err)
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		text := fmt.Sprint("word ", i)
		io.WriteString(other, text)
		got := make([]byte, len(text))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

func TestAConnAllocatesNothingForARecord(t *testing.T) {
	a, b := loopback(t)
	conn, other := secured(t, a, b, true, true)
	data, space := make([]byte, 16<<10), make([]byte, 16<<10, 16<<10+64)
	move := func() {
		conn.Cork()
		if _, err := conn.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := conn.Uncork(); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(space); {
			some, err := other.(*Conn).ReadInto(space[n:])
			if n += some; err != nil {
				t.Fatal(err)
			}
		}
	}
	move()
	if n := testing.AllocsPerRun(200, move); n >= 1 { // a collection may empty the pool of buffers
		t.Errorf("%v allocations", n)
	}
}

// FuzzConn gives a Conn bytes that are no records, or records and then something else, in pieces.
func FuzzConn(f *testing.F) {
	f.Add([]byte{}, uint16(7))
	f.Add([]byte("\x17\x03\x03\x00\x11aaaaaaaaaaaaaaaaa"), uint16(3))
	f.Add([]byte("\x17\x03\x03\xff\xff"), uint16(100))
	f.Add(bytes.Repeat([]byte("\x17\x03\x03\x00\x20 is not sealed with any key at all"), 9), uint16(1000))
	f.Fuzz(func(t *testing.T, tail []byte, piece uint16) {
		secret := bytes.Repeat([]byte{7}, 32)
		c, err := newConn(nil, Secret{suite: tls.TLS_AES_128_GCM_SHA256}, secret, secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys := c.in.keys
		aead, _ := keys.aead()
		stream := keys.seal(nil, aead, new(nonce), typeApplication, []byte("hello"))
		stream = append(stream, tail...)
		c.Conn = &pieces{left: stream, most: 1 + int(piece)}
		var got []byte
		for space := make([]byte, 100); ; {
			n, err := c.Read(space)
			got = append(got, space[:n]...)
			if err != nil {
				break
			}
		}
		if string(got) != "hello" {
			t.Errorf("got %q", got)
		}
	})
}

// pieces gives bytes in pieces.
type pieces struct {
	net.Conn
	left []byte
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(len(p.left), p.most)])
	p.left = p.left[n:]
	return n, nil
}
