package session

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

func TestStreamsCarryBytesBothWaysOverEveryTransport(t *testing.T) {
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			leakless(t)
			a, b := transport(t)
			client, server := join(t, a, b, Config{})
			opened, accepted := connected(t, client, server)
			if accepted.Service() != "echo" || opened.Service() != "echo" {
				t.Errorf("services are %q and %q, want echo", opened.Service(), accepted.Service())
			}
			go func() {
				io.Copy(accepted, accepted)
				accepted.Close()
			}()
			sent := strings.Repeat("0123456789abcdef", 1<<16)
			go func() {
				io.WriteString(opened, sent)
				opened.CloseWrite()
			}()
			got, err := io.ReadAll(opened)
			if err != nil || string(got) != sent {
				t.Errorf("echo of %d bytes gave %d and %v", len(sent), len(got), err)
			}
			in, out := opened.Counts()
			if in != uint64(len(sent)) || out != uint64(len(sent)) {
				t.Errorf("counted %d in and %d out, want %d", in, out, len(sent))
			}
			if s := client.Stats(); s.BytesIn != in || s.BytesOut != out || s.Streams != 1 {
				t.Errorf("session counts %+v", s)
			}
		})
	}
}

func TestStreamIsAConnection(t *testing.T) {
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b := transport(t)
				client, server := join(t, a, b, Config{})
				opened, accepted := connected(t, client, server)
				return opened, accepted, func() {
					go client.Close()
					server.Close()
					client.Close()
				}, nil
			})
		})
	}
}

func TestOpenDoesNotWaitForThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := New(line.New(line.Config{}), true, Config{Linger: -1}) // suspended: not even the header gets away
		defer client.Close()
		start := time.Now()
		stream := open(t, client)
		if _, err := stream.Write([]byte("early")); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("opening and writing took %v", took)
		}
	})
}

func TestHalfCloseIsKeptBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		opened, accepted := connected(t, client, server)
		if err := accepted.CloseWrite(); err != nil { // the acceptor ends first, with nothing said
			t.Fatal(err)
		}
		if b, err := io.ReadAll(opened); err != nil || len(b) != 0 {
			t.Fatalf("opener reads %q, %v", b, err)
		}
		if _, err := opened.Write([]byte("still open")); err != nil {
			t.Fatal(err)
		}
		if err := opened.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(accepted); err != nil || string(b) != "still open" {
			t.Fatalf("acceptor reads %q, %v", b, err)
		}
		if _, err := opened.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after CloseWrite gives %v", err)
		}
	})
}

func TestDeadlinesInterruptReadAndWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		opened, accepted := connected(t, client, server)
		start := time.Now()
		opened.SetReadDeadline(start.Add(3 * time.Second))
		if _, err := opened.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read gives %v", err)
		}
		opened.SetWriteDeadline(start.Add(5 * time.Second))
		if _, err := io.Copy(opened, endless{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write gives %v", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("deadlines came after %v", took)
		}
		opened.SetDeadline(time.Time{})
		go io.Copy(io.Discard, accepted)
		if _, err := opened.Write([]byte("goes on")); err != nil {
			t.Errorf("after the deadlines Write gives %v", err)
		}
		accepted.Close()
	})
}

func TestContextsStopCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := New(line.New(line.Config{}), true, Config{Linger: -1}) // suspended
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Accept gives %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ping gives %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		for range 1000 { // until too many are on their way
			if _, err = client.Open(ctx, "echo"); err != nil {
				break
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Open gives %v", err)
		}
	})
}

// A deadline that is exceeded while Read has data in hand must not cost the sender its window.
func TestShortReadDeadlinesDoNotStarveTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		opened, accepted := connected(t, client, server)
		const total = 8 << 20
		go func() {
			io.Copy(opened, io.LimitReader(endless{}, total))
			opened.CloseWrite()
		}()
		got := 0
		buffer := make([]byte, 64<<10)
		for until := time.Now().Add(time.Minute); time.Now().Before(until); {
			accepted.SetReadDeadline(time.Now()) // exceeded from the beginning
			accepted.Read(buffer)
			accepted.SetReadDeadline(time.Now().Add(time.Millisecond))
			n, err := accepted.Read(buffer)
			if got += n; err == io.EOF {
				break
			}
		}
		if got != total {
			t.Errorf("received %d of %d bytes", got, total)
		}
	})
}

// endless is a source of zeros.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
