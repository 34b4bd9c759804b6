package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// raw joins a session with the bare multiplexer of a peer that keeps none of our rules.
func raw(t *testing.T, config Config) (*Session, *yamux.Session) {
	t.Helper()
	a, b := net.Pipe()
	server, err := New(a, false, config)
	if err != nil {
		t.Fatal(err)
	}
	theirs := yamux.DefaultConfig()
	theirs.LogOutput = io.Discard
	theirs.AcceptBacklog = 1 << 20
	peer, err := yamux.Client(b, theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		go peer.Close()
		server.Close()
		peer.Close()
	})
	return server, peer
}

func TestGarbageEndsTheSession(t *testing.T) {
	for name, garbage := range map[string][]byte{
		"an http request":       []byte("GET / HTTP/1.1\r\nHost: example.net\r\n\r\n"),
		"a frame of 4 GiB":      {0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff},
		"an unknown frame":      {0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a stream of our own":   {0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0},
		"the same stream twice": {0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},
		"a complaint":           {0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				server, err := New(a, false, Config{})
				if err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, b)
				b.Write(garbage)
				<-server.Done()
				if err := server.Err(); !errors.Is(err, ErrProtocol) {
					t.Errorf("session ends with %v", err)
				}
				if _, err := server.Accept(t.Context()); !errors.Is(err, ErrProtocol) {
					t.Errorf("Accept gives %v", err)
				}
				server.Close()
				b.Close()
			})
		})
	}
}

func TestRandomBytesNeverHarmTheSessionsOwner(t *testing.T) {
	leakless(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		a, b := net.Pipe()
		server, err := New(a, false, Config{Linger: -1})
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, b)
		noise := make([]byte, 12*100)
		for i := range noise {
			noise[i] = byte(random.Uint32())
			if i%12 < 3 { // plausible versions, types and flags go deeper
				noise[i] %= 4
			}
			if i%12 == 0 {
				noise[i] = 0
			}
		}
		b.Write(noise)
		b.Close()
		<-server.Done()
		server.Close()
	}
}

func TestPeerThatOpensEndlessStreamsIsBounded(t *testing.T) {
	leakless(t)
	config := Config{MaxStreams: 100, Backlog: 20, Linger: -1}
	server, peer := raw(t, config)
	header, err := wire.Append(nil, &wire.StreamOpen{Service: "flood"})
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	var flood sync.WaitGroup
	for range 4 {
		flood.Go(func() {
			for i := range 25_000 {
				stream, err := peer.OpenStream(context.Background())
				if err != nil {
					return
				}
				if i%2 == 0 {
					stream.Write(header)
				}
				if i%3 == 0 {
					stream.CloseWrite()
					stream.Reset()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { flood.Wait(); close(done) }()
	most := 0
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-time.After(10 * time.Millisecond):
		}
		server.mu.Lock()
		streams, greetings := len(server.streams), len(server.greetings)
		server.mu.Unlock()
		if streams > config.MaxStreams || greetings > config.MaxStreams+config.Backlog {
			t.Fatalf("%d streams are open and %d being greeted", streams, greetings)
		}
		most = max(most, runtime.NumGoroutine()-before)
	}
	if most > config.MaxStreams+config.Backlog+20 {
		t.Errorf("%d goroutines", most)
	}
	// The session itself goes on.
	accepted, err := server.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	if _, err := server.Ping(t.Context()); err != nil {
		t.Errorf("ping gives %v", err)
	}
}

func TestPeerThatNeverReadsCostsItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		server, err := New(a, false, Config{Linger: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		start := time.Now()
		wrote := 0
		for {
			stream, err := server.Open(t.Context(), "sink")
			if err != nil {
				break
			}
			stream.SetWriteDeadline(time.Now().Add(time.Second))
			n, _ := io.Copy(stream, endless{})
			wrote += int(n)
		}
		if limit := 65 * frameSize; wrote > limit {
			t.Errorf("%d bytes were queued, limit %d", wrote, limit)
		}
		if took := time.Since(start); took > 30*time.Second || !errors.Is(server.Err(), ErrCarrierLost) {
			t.Errorf("after %v the session says %v", took, server.Err())
		}
	})
}

func TestHeadersThatAreNoneAreReset(t *testing.T) {
	for name, head := range map[string][]byte{
		"too long":      {0xff, 0x7f},
		"not a varint":  bytes.Repeat([]byte{0xff}, 11),
		"no service":    {2, 0x0a, 0},
		"half and over": {8, 0x0a, 6, 'h'},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, peer := raw(t, Config{})
				stream, err := peer.OpenStream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				stream.Write(head)
				if name == "half and over" {
					stream.CloseWrite()
				}
				var reset *yamux.StreamError
				if _, err := stream.Read(make([]byte, 1)); !errors.As(err, &reset) || reset.ErrorCode != resetProtocol {
					t.Errorf("peer gets %v", err)
				}
			})
		})
	}
}

func TestHeaderThatNeverComesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer := raw(t, Config{Timeout: 7 * time.Second})
		stream, err := peer.OpenStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		stream.Read(make([]byte, 1))
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestAnswerThatIsNoneEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, peer := raw(t, Config{})
		stream := open(t, server)
		theirs, err := peer.AcceptStream()
		if err != nil {
			t.Fatal(err)
		}
		theirs.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		theirs.CloseWrite()
		if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, ErrProtocol) {
			t.Errorf("Read gives %v", err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, service := range []string{"s", "ssh", string(bytes.Repeat([]byte("x"), wire.MaxService))} {
		header, err := wire.Append(nil, &wire.StreamOpen{Service: service})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(header, "data"...))
	}
	f.Add(goodbye[:])
	f.Add([]byte{0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		service, length, err := parseHeader(b)
		if err != nil {
			return
		}
		if length < 1 || length > len(b) || service == "" || len(service) > wire.MaxService {
			t.Errorf("service %q in %d of %d bytes", service, length, len(b))
		}
		for i := range length {
			if _, _, err := parseHeader(b[:i]); !errors.Is(err, wire.ErrShort) {
				t.Errorf("the first %d of %d bytes give %v", i, length, err)
			}
		}
	})
}
