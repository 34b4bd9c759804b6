package session

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
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
		a, b := net.Pipe()
		defer b.Close() // nobody reads there: not even the header gets away
		client, err := New(a, true, Config{Linger: -1})
		if err != nil {
			t.Fatal(err)
		}
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

func TestWriterLearnsThatTheReaderHasGone(t *testing.T) {
	for name, leave := range map[string]func(*Stream) error{"close": (*Stream).Close, "abort": (*Stream).Abort} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(t, Config{})
				opened, accepted := connected(t, client, server)
				if err := leave(accepted); err != nil {
					t.Fatal(err)
				}
				for {
					if _, err := opened.Write(make([]byte, 1<<16)); err != nil {
						if !errors.Is(err, ErrReset) {
							t.Errorf("writer gets %v", err)
						}
						return
					}
				}
			})
		})
	}
}

func TestBytesBeforeCloseArriveAndBytesBeforeAbortNeedNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		opened, accepted := connected(t, client, server)
		opened.Write([]byte("last words"))
		opened.Close()
		synctest.Wait() // the reset that follows the end of the stream has arrived, too
		if b, err := io.ReadAll(accepted); err != nil || string(b) != "last words" {
			t.Errorf("read %q, %v", b, err)
		}
		opened, accepted = connected(t, client, server)
		opened.Write([]byte("never mind"))
		opened.Abort()
		synctest.Wait()
		if _, err := io.ReadAll(accepted); !errors.Is(err, ErrReset) {
			t.Errorf("after an abort the reader gets %v", err)
		}
	})
}

func TestCloseHandsOverWhatClosedStreamsWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		const streams = 50
		for range streams {
			stream := open(t, client)
			io.WriteString(stream, "a line, and gone")
			stream.Close()
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		for range streams { // nobody has accepted before
			stream, err := server.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(stream); err != nil || string(b) != "a line, and gone" {
				t.Fatalf("read %q, %v", b, err)
			}
			stream.Close()
		}
		if _, err := server.Accept(t.Context()); !errors.Is(err, ErrPeerClosed) {
			t.Errorf("then Accept gives %v", err)
		}
	})
}

func TestCloseUnblocksEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		reader, _ := connected(t, client, server)
		writer, _ := connected(t, client, server)
		var work sync.WaitGroup
		check := func(what string, call func() error) {
			work.Go(func() {
				if err := call(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s gives %v", what, err)
				}
			})
		}
		check("Read", func() error { _, err := reader.Read(make([]byte, 1)); return err })
		check("Write", func() error { _, err := io.Copy(writer, endless{}); return err })
		check("Accept", func() error { _, err := client.Accept(t.Context()); return err })
		synctest.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		work.Wait()
		check("Open", func() error { _, err := client.Open(t.Context(), "echo"); return err })
		check("Ping", func() error { _, err := client.Ping(t.Context()); return err })
		check("Err", client.Err)
		check("Read", func() error { _, err := reader.Read(make([]byte, 1)); return err })
		check("SetDeadline", func() error { return reader.SetDeadline(time.Time{}) })
		work.Wait()
		if err := client.Close(); err != nil {
			t.Errorf("second Close gives %v", err)
		}
		if err := reader.Close(); err != nil {
			t.Errorf("Close of a stream gives %v", err)
		}
		<-server.Done()
		if err := server.Err(); !errors.Is(err, ErrPeerClosed) {
			t.Errorf("the peer learns %v", err)
		}
	})
}

func TestCloseWaitsNoLongerThanLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close() // nobody reads there
		client, err := New(a, true, Config{Linger: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		client.Close()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("Close took %v", took)
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

func TestDeadPathIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		busy bool // a stream writes all the time
		want time.Duration
	}{
		"idle":    {false, 25 * time.Second},
		"sending": {true, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				hole := &blackhole{Conn: a, dead: make(chan struct{})}
				client, server := join(t, hole, b, Config{Linger: -1})
				opened, accepted := connected(t, client, server)
				var writer sync.WaitGroup
				defer writer.Wait()
				if test.busy {
					writer.Go(func() { // in virtual time, as fast as possible would be for ever
						for err := error(nil); err == nil; time.Sleep(50 * time.Millisecond) {
							_, err = opened.Write(make([]byte, 1<<10))
						}
					})
					go io.Copy(io.Discard, accepted)
				}
				time.Sleep(10 * time.Minute) // idle sessions live on
				if err := client.Err(); err != nil {
					t.Fatalf("before the path dies: %v", err)
				}
				close(hole.dead)
				start := time.Now()
				<-client.Done()
				if took := time.Since(start); took > test.want {
					t.Errorf("noticed after %v, want %v", took, test.want)
				}
				if err := client.Err(); !errors.Is(err, ErrCarrierLost) {
					t.Errorf("reason is %v", err)
				}
			})
		})
	}
}

func TestIdleSessionSaysSomethingEvery15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		watch := &watched{Conn: a}
		join(t, watch, b, Config{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if watch.longest > 16*time.Second || watch.longest < 10*time.Second {
			t.Errorf("longest silence was %v", watch.longest)
		}
		t.Logf("an idle hour costs %d writes, %d bytes one way", watch.writes, watch.bytes)
	})
}

func TestPingMeasuresTheRoundTrip(t *testing.T) {
	leakless(t)
	a, b := tcpPair(t)
	client, _ := join(t, a, b, Config{})
	rtt, err := client.Ping(t.Context())
	if err != nil || rtt <= 0 || rtt > time.Second {
		t.Errorf("round trip is %v, %v", rtt, err)
	}
}

func TestContextsStopCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close() // nobody reads there
		client, err := New(a, true, Config{Linger: -1, KeepAlive: -1, Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
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
		for range 1000 { // until the queue towards the carrier is full
			if _, err = client.Open(ctx, "echo"); err != nil {
				break
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Open gives %v", err)
		}
	})
}

// A deadline that is exceeded while Read has data in hand must not cost the sender its window. (The test fails, and
// hangs for a minute, if Stream.receive reads with the deadline in force: go-yamux then drops the window update.)
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

// A blackhole is a connection that takes writes and loses them once it is dead, as a cut link does for as long as the
// kernel has room, and that gives nothing to read.
type blackhole struct {
	net.Conn
	dead chan struct{}
}

func (b *blackhole) Write(p []byte) (int, error) {
	select {
	case <-b.dead:
		return len(p), nil
	default:
		return b.Conn.Write(p)
	}
}

func (b *blackhole) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	select {
	case <-b.dead:
		if err == nil {
			return b.Read(p)
		}
	default:
	}
	return n, err
}

// watched notes the silences between writes.
type watched struct {
	net.Conn
	last          time.Time
	longest       time.Duration
	writes, bytes int
}

func (w *watched) Write(p []byte) (int, error) {
	now := time.Now()
	if !w.last.IsZero() {
		w.longest = max(w.longest, now.Sub(w.last))
	}
	w.last = now
	w.writes++
	w.bytes += len(p)
	return w.Conn.Write(p)
}
