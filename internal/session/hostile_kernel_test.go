package session

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// An enemy is the peer of a session over a real connection, with a line of its own making that keeps the rules it likes.
type enemy struct {
	conn net.Conn
	said uint64 // bytes of its line so far
}

// Frames of a line, as docs/protocol.md has them.
const (
	lineData, lineAck, linePing, linePong = 1, 2, 3, 4
	helloLength                           = 51
)

// welcome takes the first hello of a line, and says that it takes whatever comes.
func (e *enemy) welcome() error {
	hello := make([]byte, helloLength)
	if _, err := io.ReadFull(e.conn, hello); err != nil {
		return err
	}
	const welcome = 3
	hello[6], hello[7] = welcome, 0
	binary.BigEndian.PutUint64(hello[33:], 0)     // bytes that came
	binary.BigEndian.PutUint64(hello[41:], 1<<40) // the limit
	_, err := e.conn.Write(hello)
	return err
}

// frame is one of the line.
func (e *enemy) frame(kind byte, value uint64, body []byte) []byte {
	b := []byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}
	return append(binary.BigEndian.AppendUint64(b, value), body...)
}

// say sends frames of the session.
func (e *enemy) say(frames []byte) error {
	b := e.frame(lineData, e.said, frames)
	e.said += uint64(len(frames))
	_, err := e.conn.Write(b)
	return err
}

// live reads all that comes, and answers pings, for which no other goroutine may write.
func (e *enemy) live() {
	var head [12]byte
	for {
		if _, err := io.ReadFull(e.conn, head[:]); err != nil {
			return
		}
		length := int(head[1])<<16 | int(head[2])<<8 | int(head[3])
		if _, err := io.CopyN(io.Discard, e.conn, int64(length)); err != nil {
			return
		}
		if head[0] == linePing {
			e.conn.Write(e.frame(linePong, binary.BigEndian.Uint64(head[4:]), nil))
		}
	}
}

// TestAHostilePeerCostsItsBoundAndNoOtherSession has one session's peer break every rule over real connections, and looks what that costs this
// end: memory, goroutines, and the round trips of another session meanwhile.
//
// Seen to fail with a sender that keeps 64 MiB, with pongs that are queued without end, and with refusals that are, and a peer that may send what it likes.
func TestAHostilePeerCostsItsBoundAndNoOtherSession(t *testing.T) {
	const MiB = 1 << 20
	grant := appendCode(nil, kindCredit, 1, maxCredit-firstWindow, nil)
	pump := func(t *testing.T, s *Session) { // until the peer takes no more
		stream, err := s.Open(t.Context(), "flood")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for err == nil {
				_, err = stream.Write(make([]byte, 64<<10))
			}
		}()
	}
	for _, c := range []struct {
		name  string
		bound int  // of live memory, in bytes, of both ends
		ends  bool // the session ends with a breach of the protocol, and leaves nothing
		play  func(t *testing.T, s *Session, e *enemy)
	}{
		{"never acknowledges, and takes all", 40 * MiB, false, func(t *testing.T, s *Session, e *enemy) {
			pump(t, s)
			e.say(grant)
			go e.live()
			for kept, last, end := 0, -1, time.Now().Add(30*time.Second); kept < 31*MiB || kept != last; <-time.After(100 * time.Millisecond) {
				if last, kept = kept, s.line.Stats().Unacknowledged; time.Now().After(end) {
					t.Fatalf("%d bytes are kept: not what the test is about", kept)
				}
			}
		}},
		{"never reads", 20 * MiB, false, func(t *testing.T, s *Session, e *enemy) {
			pump(t, s)
			e.say(grant)
			<-time.After(500 * time.Millisecond)
		}},
		{"gives a window of nothing", 2 * MiB, false, func(t *testing.T, s *Session, e *enemy) {
			pump(t, s)
			go e.live()
			<-time.After(500 * time.Millisecond)
		}},
		{"acknowledges what was not sent", 2 * MiB, true, func(t *testing.T, s *Session, e *enemy) {
			pump(t, s)
			e.conn.Write(e.frame(lineAck, 1<<30, binary.BigEndian.AppendUint64(nil, 1<<40)))
			e.live()
		}},
		{"opens streams without end, and hears no refusal", 40 * MiB, true, func(t *testing.T, s *Session, e *enemy) {
			for id := uint64(2); id < 10_000_000; {
				var frames []byte
				for range 100 {
					frames = append(frames, opening(t, id, "flood")...)
					id += 2
				}
				e.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
				if err := e.say(frames); err != nil {
					t.Logf("after %d streams: %v", id/2, err)
					return
				}
			}
		}},
		{"sends 2,000,000 pings, and hears no answer", 16 * MiB, false, func(t *testing.T, s *Session, e *enemy) {
			for i := range uint64(2000) {
				frames := e.frame(linePing, i, nil)
				var pings []byte
				for range 1000 {
					pings = frame{kindPing, 0, i + 1}.append(pings)
				}
				e.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
				if _, err := e.conn.Write(frames); err != nil {
					t.Fatal(err)
				}
				if err := e.say(pings); err != nil {
					t.Fatal(err)
				}
			}
			for end := time.Now().Add(30 * time.Second); s.line.Stats().Received < e.said && time.Now().Before(end); <-time.After(10 * time.Millisecond) {
			}
		}},
		{"sends every second byte", 2 * MiB, true, func(t *testing.T, s *Session, e *enemy) {
			go func() {
				for i := uint64(1); ; i += 2 {
					if _, err := e.conn.Write(e.frame(lineData, i, []byte{1})); err != nil {
						return
					}
				}
			}()
			e.live()
		}},
		{"fills the windows of 256 streams that nobody reads", 72 * MiB, false, func(t *testing.T, s *Session, e *enemy) {
			go e.live()
			for i := range uint64(256) {
				frames := append(opening(t, 2*i+2, "flood"), frame{kindData, firstWindow, 2*i + 2}.append(nil)...)
				e.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
				if e.say(append(frames, make([]byte, firstWindow)...)) != nil {
					return
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := newOther(t)
			near, far := recordPair(t)
			goroutines, before := runtime.NumGoroutine(), live()
			under, e := line.New(line.Config{}), &enemy{conn: far}
			welcomed := make(chan error, 1)
			go func() { welcomed <- e.welcome() }()
			if err := errors.Join(under.Attach(t.Context(), line.Carrier{Conn: near}), <-welcomed); err != nil {
				t.Fatal(err)
			}
			s := New(under, true, Config{Linger: -1})
			defer s.Close()
			defer far.Close() // or Close would wait for its answer
			trips := other.trips(t, func() { c.play(t, s, e) })
			held, more := live()-before, runtime.NumGoroutine()-goroutines
			median, worst := trips[len(trips)/2], trips[len(trips)-1]
			t.Logf("%.1f MiB, %d goroutines; another session's %d round trips: %v in the median, %v at most",
				float64(held)/MiB, more, len(trips), median.Round(time.Microsecond), worst.Round(time.Microsecond))
			if held > c.bound || more > 12 {
				t.Errorf("%d bytes and %d goroutines, want at most %d and 12", held, more, c.bound)
			}
			if err := s.Err(); c.ends != errors.Is(err, ErrProtocol) || !c.ends && err != nil {
				t.Errorf("the session ends with %v", err)
			}
			if median > 500*time.Millisecond {
				t.Errorf("another session has round trips of %v", median)
			}
			runtime.KeepAlive(s)
		})
	}
}

// live is the memory in use.
func live() int {
	runtime.GC()
	runtime.GC() // for what pools keep
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// An other is a session that has nothing to do with an enemy's, and a stream whose end sends back what it gets.
type other struct{ stream *Stream }

func newOther(t *testing.T) other {
	t.Helper()
	a, b := recordPair(t)
	near, far := lines(t, a, b, line.Config{})
	client, server := New(near, true, Config{Linger: -1}), New(far, false, Config{Linger: -1})
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	stream, err := client.Open(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if back, err := server.Accept(t.Context()); err == nil {
			io.Copy(back, back)
		}
	}()
	return other{stream}
}

// trips are the times of round trips while something is done, sorted.
func (o other) trips(t *testing.T, do func()) []time.Duration {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	var all []time.Duration
	for word := make([]byte, 64); ; {
		start := time.Now()
		if _, err := o.stream.Write(word); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(o.stream, word); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(start))
		select {
		case <-done:
			if len(all) >= 20 {
				slices.Sort(all)
				return all
			}
		case <-time.After(2 * time.Millisecond):
		}
	}
}
