package session

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// raw joins a session with the bare line of a peer that keeps none of our rules.
func raw(t testing.TB, config Config) (*Session, *line.Line) {
	t.Helper()
	return rawOver(t, line.Config{}, config)
}

// narrow is raw with lines that take 1 MiB.
func narrow(t testing.TB) (*Session, *line.Line) {
	t.Helper()
	return rawOver(t, line.Config{Window: 1 << 20}, Config{Linger: -1})
}

func rawOver(t testing.TB, under line.Config, config Config) (*Session, *line.Line) {
	t.Helper()
	a, b := net.Pipe()
	near, far := lines(t, a, b, under)
	server := New(near, false, config)
	t.Cleanup(func() {
		go far.Close()
		server.Close()
		far.Close()
	})
	return server, far
}

// opening is the frame that opens a stream.
func opening(t testing.TB, stream uint64, service string) []byte {
	t.Helper()
	header, err := wire.Append(nil, &wire.StreamOpen{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	return append(frame{kindOpen, len(header), stream}.append(nil), header...)
}

// hear reads the next frame that is not a ping.
func hear(t testing.TB, peer io.Reader) (frame, []byte) {
	t.Helper()
	for {
		head := make([]byte, headerSize)
		if _, err := io.ReadFull(peer, head); err != nil {
			return frame{}, nil
		}
		f, err := parseFrame(head)
		if err != nil {
			t.Error(err)
		}
		body := make([]byte, f.length)
		io.ReadFull(peer, body)
		if f.kind != kindPing {
			return f, body
		}
	}
}

func TestFramesThatBreakTheRulesEndTheSession(t *testing.T) {
	open := opening(t, 1, "s")
	then := func(frames ...[]byte) []byte { return append(bytes.Clone(open), bytes.Join(frames, nil)...) }
	bare := func(kind kind, length int, value uint64) []byte {
		return append(frame{kind, length, value}.append(nil), make([]byte, min(length, 1<<20))...)
	}
	reset := appendCode(nil, kindReset, 1, resetAborted, nil)
	for name, frames := range map[string][]byte{
		"an http request":                   []byte("GET / HTTP/1.1\r\nHost: example.net\r\n\r\n"),
		"an unknown frame":                  bare(99, 0, 0),
		"a frame of kind 0":                 bare(0, 0, 0),
		"data of no bytes":                  then(bare(kindData, 0, 1)),
		"data of 16 MiB":                    then(bare(kindData, 1<<24-1, 1)),
		"data for a stream that never was":  bare(kindData, 1, 7),
		"data for one that we did not open": bare(kindData, 1, 2),
		"data for stream 0":                 bare(kindData, 1, 0),
		"data behind the end":               then(bare(kindEnd, 0, 1), bare(kindData, 1, 1)),
		"more than the window": then(bare(kindData, maxData, 1), bare(kindData, maxData, 1),
			bare(kindData, maxData, 1)),
		"a stream of our own":          opening(t, 2, "s"),
		"the same stream twice":        then(open),
		"a stream behind a later one":  append(opening(t, 5, "s"), open...),
		"an end with a load":           then(bare(kindEnd, 1, 1)),
		"a credit of three bytes":      then(bare(kindCredit, 3, 1)),
		"credit for ever":              then(appendCode(nil, kindCredit, 1, 1<<32-1, nil)),
		"credit for ever, in two":      then(appendCode(nil, kindCredit, 1, 1<<29, nil), appendCode(nil, kindCredit, 1, 1<<29, nil)),
		"words behind a reset":         then(reset, bare(kindEnd, 0, 1)),
		"a refusal without its answer": then(appendCode(nil, kindReset, 1, resetRefused, nil)),
		"a ping with a load":           bare(kindPing, 8, 0),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, peer := raw(t, Config{})
				go io.Copy(io.Discard, peer)
				peer.Write(frames) // fails when the session ends before it has all
				synctest.Wait()
				if err := server.Err(); !errors.Is(err, ErrProtocol) {
					t.Errorf("session ends with %v", err)
				}
				for len(server.backlog) > 0 {
					<-server.backlog
				}
				if _, err := server.Accept(t.Context()); !errors.Is(err, ErrProtocol) {
					t.Errorf("Accept gives %v", err)
				}
				if peer.Err() != line.ErrPeerClosed {
					t.Errorf("the peer's line says %v", peer.Err())
				}
			})
		})
	}
}

func TestPeerThatOpensEndlessStreamsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := Config{MaxStreams: 100, Backlog: 20, Linger: -1}
		server, peer := raw(t, config)
		refused := 0
		go func() {
			for {
				f, _ := hear(t, peer)
				if f.kind == 0 {
					return
				}
				if f.kind == kindReset {
					refused++
				}
			}
		}()
		for i := range uint64(10_000) {
			if _, err := peer.Write(opening(t, 2*i+1, "flood")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s := server.Stats(); s.Streams != config.Backlog || refused != 10_000-config.Backlog {
			t.Errorf("%d streams are open, %d were refused", s.Streams, refused)
		}
		// The session itself goes on.
		accepted, err := server.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		accepted.Close()
		if server.Stats().Streams != config.Backlog-1 {
			t.Error("a closed stream is kept")
		}
	})
}

func TestPeerThatOpensStreamsAndTakesNoAnswersIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, peer := narrow(t)
		for i := range uint64(1 << 20) { // reads nothing
			if _, err := peer.Write(opening(t, 2*i+1, "flood")); err != nil {
				break
			}
		}
		if err := server.Err(); !errors.Is(err, ErrProtocol) {
			t.Errorf("the session says %v", err)
		}
		if n := len(server.speech.streams); n > maxOpening {
			t.Errorf("%d answers are kept", n)
		}
	})
}

func TestPeerThatNeverReadsCostsItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := New(deaf(t), false, Config{Linger: -1})
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
		if limit := 1 << 20; wrote > limit {
			t.Errorf("%d bytes were queued, limit %d", wrote, limit)
		}
		if took := time.Since(start); took > 30*time.Second || !errors.Is(server.Err(), ErrCarrierLost) {
			t.Errorf("after %v the session says %v", took, server.Err())
		}
	})
}

func TestPeerThatPingsAndTakesNoPongsCostsItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, peer := narrow(t)
		frames := bytes.Repeat(frame{kindPing, 0, 1}.append(nil), 1000)
		for range 1000 { // reads nothing
			if _, err := peer.Write(frames); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := server.line.Stats().Unacknowledged; n > 2<<20 {
			t.Errorf("%d bytes of pongs are kept", n)
		}
	})
}

func TestHeadersThatAreNoneAreReset(t *testing.T) {
	for name, head := range map[string][]byte{
		"too long":     {0xff, 0x7f},
		"not a varint": bytes.Repeat([]byte{0xff}, 11),
		"no service":   {2, 0x0a, 0},
		"half":         {8, 0x0a, 6, 'h'},
		"and more":     {3, 0x0a, 1, 'h', 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, peer := raw(t, Config{})
				peer.Write(append(frame{kindOpen, len(head), 1}.append(nil), head...))
				if f, body := hear(t, peer); f.kind != kindReset || f.value != 1 || numberIn(body) != resetProtocol {
					t.Errorf("peer gets %+v % x", f, body)
				}
			})
		})
	}
}

func TestRandomBytesNeverHarmTheSessionsOwner(t *testing.T) {
	leakless(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		server, peer := raw(t, Config{Linger: -1})
		go io.Copy(io.Discard, peer)
		noise := make([]byte, 12*100)
		for i := range noise {
			noise[i] = byte(random.Uint32())
			if i%12 == 0 { // plausible kinds and numbers go deeper
				noise[i] %= 10
			} else if i%12 < 11 {
				noise[i] = 0
			}
		}
		peer.Write(noise)
		peer.Close()
		<-server.Done()
		server.Close()
	}
}
