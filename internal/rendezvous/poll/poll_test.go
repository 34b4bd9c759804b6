package poll

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

// Every test runs on both forms: descriptors in an epoll (on Linux) and goroutines over any net.Conn.
var forms = []struct {
	name string
	wrap func(net.Conn) net.Conn
}{
	{"socket", func(c net.Conn) net.Conn { return c }},
	{"stream", func(c net.Conn) net.Conn { return struct{ halfCloser }{c.(halfCloser)} }},
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// A recorder is a Handler that hands on what it is told.
type recorder struct {
	received chan []byte
	drained  chan struct{}
	gone     chan error
}

func newRecorder() *recorder {
	return &recorder{make(chan []byte, 1000), make(chan struct{}, 1000), make(chan error, 10)}
}

func (r *recorder) Receive(b []byte) { r.received <- bytes.Clone(b) }
func (r *recorder) Drained() {
	select {
	case r.drained <- struct{}{}:
	default:
	}
}
func (r *recorder) Gone(err error) { r.gone <- err }

func eachForm(t *testing.T, test func(t *testing.T, add func(Config) (Socket, *recorder, *net.TCPConn))) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			test(t, func(config Config) (Socket, *recorder, *net.TCPConn) {
				loop := run(t, config)
				near, far := loopback(t)
				r := newRecorder()
				s, err := loop.Add(form.wrap(near), r)
				if err != nil {
					t.Fatal(err)
				}
				s.Start()
				return s, r, far
			})
		})
	}
}

func TestBytesGoBothWays(t *testing.T) {
	eachForm(t, func(t *testing.T, add func(Config) (Socket, *recorder, *net.TCPConn)) {
		s, r, far := add(Config{MaxPending: 1 << 20})
		data := make([]byte, 300_000)
		rand.Read(data)
		go far.Write(data)
		var got []byte
		for len(got) < len(data) {
			got = append(got, <-r.received...)
		}
		if !bytes.Equal(got, data) {
			t.Fatal("received other bytes than sent")
		}
		for sent := 0; sent < len(data); sent += 1000 {
			if err := s.Send(data[sent : sent+1000]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("far end got other bytes than sent: %v", err)
		}
	})
}

func TestSlowReaderCostsABoundedBuffer(t *testing.T) {
	eachForm(t, func(t *testing.T, add func(Config) (Socket, *recorder, *net.TCPConn)) {
		s, r, far := add(Config{MaxPending: 10_000})
		var waiting int
		var since time.Time
		for err := error(nil); err == nil || waiting == 0; { // the kernel takes some megabytes first, and may take more after it was full
			if err = s.Send(make([]byte, 1000)); err != nil && err != ErrFull {
				t.Fatalf("error is %v, want ErrFull", err)
			}
			if waiting, since = s.Pending(); waiting > 10_000 || since.IsZero() != (waiting == 0) {
				t.Fatalf("%d bytes wait since %v, want at most 10000", waiting, since)
			}
		}
		go io.Copy(io.Discard, far)
		for waiting > 0 {
			<-r.drained
			waiting, _ = s.Pending()
		}
		if err := s.Send([]byte("again")); err != nil {
			t.Errorf("after it was drained: %v", err)
		}
	})
}

func TestEndOfTheOtherEndIsTold(t *testing.T) {
	eachForm(t, func(t *testing.T, add func(Config) (Socket, *recorder, *net.TCPConn)) {
		s, r, far := add(Config{})
		io.WriteString(far, "last words")
		far.Close()
		if err := <-r.gone; err != io.EOF {
			t.Errorf("told %v, want EOF", err)
		}
		if got := <-r.received; string(got) != "last words" {
			t.Errorf("received %q before the end", got)
		}
		if err := s.Send([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send after the end gives %v, want ErrClosed", err)
		}
	})
}

func TestResetOfTheOtherEndIsTold(t *testing.T) {
	eachForm(t, func(t *testing.T, add func(Config) (Socket, *recorder, *net.TCPConn)) {
		_, r, far := add(Config{})
		far.SetLinger(0)
		far.Close()
		if err := <-r.gone; err == nil || err == io.EOF {
			t.Errorf("told %v, want a reset", err)
		}
	})
}

func TestNothingIsToldAfterClose(t *testing.T) {
	eachForm(t, func(t *testing.T, add func(Config) (Socket, *recorder, *net.TCPConn)) {
		s, r, far := add(Config{})
		s.Close()
		s.Close()
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("far end reads %v, want EOF", err)
		}
		select {
		case err := <-r.gone:
			t.Errorf("told %v", err)
		default:
		}
	})
}

func TestFinishSendsAllThatWaitsFirst(t *testing.T) {
	eachForm(t, func(t *testing.T, add func(Config) (Socket, *recorder, *net.TCPConn)) {
		s, _, far := add(Config{MaxPending: 10_000})
		total := 0
		for {
			if n, _ := s.Pending(); n > 5000 {
				break
			}
			if err := s.Send(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			total += 1000
		}
		s.Finish()
		if err := s.Send([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send after Finish gives %v, want ErrClosed", err)
		}
		if n, err := io.Copy(io.Discard, far); int(n) != total || err != nil {
			t.Errorf("far end got %d bytes, then %v; want %d, then EOF", n, err, total)
		}
	})
}

func TestRunClosesWhatIsLeftAndReturns(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			loop, err := New(Config{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { loop.Run(ctx); close(done) }()
			near, far := loopback(t)
			s, err := loop.Add(form.wrap(near), newRecorder())
			if err != nil {
				t.Fatal(err)
			}
			s.Start()
			cancel()
			<-done
			if _, err := far.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("far end reads %v, want EOF", err)
			}
			near, _ = loopback(t)
			if _, err := loop.Add(form.wrap(near), newRecorder()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Add afterwards gives %v, want ErrClosed", err)
			}
		})
	}
}

func TestIdleSocketsHaveNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("goroutine for each connection on", runtime.GOOS)
	}
	loop := run(t, Config{})
	before := runtime.NumGoroutine()
	for range 200 {
		near, _ := loopback(t)
		s, err := loop.Add(near, newRecorder())
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines for 200 sockets", after-before)
	}
}

// TestManySocketsAtOnce has every socket echo, closed at random by either end, under the race detector's eyes.
func TestManySocketsAtOnce(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			loop := run(t, Config{})
			var clients sync.WaitGroup
			for i := range 100 {
				near, far := loopback(t)
				e := &echo{gone: make(chan error, 1)}
				s, err := loop.Add(form.wrap(near), e)
				if err != nil {
					t.Fatal(err)
				}
				e.socket = s
				s.Start()
				clients.Go(func() {
					defer far.Close()
					data, back := make([]byte, 100*(1+i)), make([]byte, 100*(1+i))
					for round := range 20 {
						rand.Read(data)
						go far.Write(data)
						if _, err := io.ReadFull(far, back); err != nil || !bytes.Equal(data, back) {
							t.Errorf("socket %d, round %d: %v", i, round, err)
							return
						}
					}
					if i%2 == 0 {
						s.Close()
						return
					}
					far.CloseWrite()
					if err := <-e.gone; err != io.EOF {
						t.Errorf("socket %d: told %v, want EOF", i, err)
					}
				})
			}
			clients.Wait()
		})
	}
}

type echo struct {
	socket Socket
	gone   chan error
}

func (e *echo) Receive(b []byte) { e.socket.Send(b) }
func (e *echo) Drained()         {}
func (e *echo) Gone(err error)   { e.gone <- err }

func run(t *testing.T, config Config) *Loop {
	t.Helper()
	loop, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { loop.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return loop
}

// loopback is a connection whose far end does not wait for ever.
func loopback(t *testing.T) (near, far *net.TCPConn) {
	far, near = tcptest.Pair(t)
	far.SetDeadline(time.Now().Add(10 * time.Second))
	return near, far
}
