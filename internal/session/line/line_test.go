package line

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

// source is a stream of bytes that depends on a seed alone.
func source(seed uint64, size int64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return io.LimitReader(rand.NewChaCha8(key), size)
}

func digest(seed uint64, size int64) string {
	hash := sha256.New()
	io.Copy(hash, source(seed, size))
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// exchange sends size bytes each way at once, and checks them.
func exchange(t *testing.T, a, b io.ReadWriter, size int64) {
	t.Helper()
	var work sync.WaitGroup
	for seed, ends := range map[uint64][2]io.ReadWriter{1: {a, b}, 2: {b, a}} {
		work.Go(func() {
			if _, err := io.Copy(struct{ io.Writer }{ends[0]}, source(seed, size)); err != nil {
				t.Errorf("direction %d: write: %v", seed, err)
			}
		})
		work.Go(func() {
			hash := sha256.New()
			n, err := io.CopyN(hash, ends[1], size)
			if got := fmt.Sprintf("%x", hash.Sum(nil)); err != nil || got != digest(seed, size) {
				t.Errorf("direction %d: after %d of %d bytes: %v; digest %.8s, want %.8s", seed, n, size, err, got, digest(seed, size))
			}
		})
	}
	work.Wait()
}

// TestNothingIsLostOrRepeatedWhenCarriersDie kills the carrier in use again and again, at either end, while both write; each of
// them in turn reconnects, or both at once.
func TestNothingIsLostOrRepeatedWhenCarriersDie(t *testing.T) {
	for name, dial := range map[string]func(testing.TB) (net.Conn, net.Conn){"tcp": tcpPair, "pipe": pipePair} {
		t.Run(name, func(t *testing.T) {
			leakless(t)
			p := newPair(t, Config{Silence: 30 * time.Second}, dial)
			stop := make(chan struct{})
			var chaos sync.WaitGroup
			kills := 0
			chaos.Go(func() {
				random := rand.New(rand.NewPCG(1, 2))
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(random.IntN(20)) * time.Millisecond):
					}
					first, second := p.a, p.b
					if random.IntN(2) == 0 {
						first, second = second, first
					}
					if random.IntN(4) > 0 && kill(first) {
						kills++
					}
					var dialing sync.WaitGroup
					dialing.Go(func() { p.attach(first, second, 0) }) // fails if the other end sees the line fail; the bytes tell
					if random.IntN(3) == 0 {
						dialing.Go(func() { p.attach(second, first, 0) })
					}
					dialing.Wait()
				}
			})
			exchange(t, p.a, p.b, 48<<20)
			close(stop)
			chaos.Wait()
			t.Logf("%d carriers were killed; %d and %d bytes went again", kills, p.a.Stats().Repeated, p.b.Stats().Repeated)
			if kills < 3 {
				t.Errorf("only %d carriers were killed", kills)
			}
		})
	}
}

func TestABetterCarrierTakesOverAndTheWorseIsPutDown(t *testing.T) {
	leakless(t)
	stopwatch.Met(t, func() error { return takeOver(t) })
}

// takeOver puts down a carrier for a better one in the middle of a transfer. It complains if bytes went again, as they do after a
// stall of a second.
func takeOver(t *testing.T) error {
	p := newPair(t, Config{}, tcpPair)
	old, _ := p.a.Carrier()
	var transfer sync.WaitGroup
	transfer.Go(func() { exchange(t, p.a, p.b, 32<<20) })
	if err := p.attach(p.b, p.a, 1); err != nil { // the end that took the first one speaks first
		t.Fatal(err)
	}
	transfer.Wait()
	var again error
	for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
		await(t, l, name+" by the better carrier alone", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.active != nil && l.active.Label == uint8(1) && len(l.carriers) == 1
		})
		if repeated := l.Stats().Repeated; repeated > 0 {
			again = fmt.Errorf("%s sent %d bytes again, though no carrier was lost", name, repeated)
		}
	}
	if _, err := old.Conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the old carrier gives %v, want that it is closed", err)
	}
	return again
}

func TestBothEndsChooseTheSameOfTwoCarriers(t *testing.T) {
	leakless(t)
	for range 20 {
		p := newPair(t, Config{}, tcpPair)
		var dialing sync.WaitGroup
		dialing.Go(func() { p.attach(p.a, p.b, 0) })
		dialing.Go(func() { p.attach(p.b, p.a, 0) })
		dialing.Wait()
		single := func(l *Line) uint64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.active == nil || len(l.carriers) != 1 {
				return 0
			}
			return l.active.name
		}
		await(t, p.a, "one carrier", func() bool { name := single(p.a); return name != 0 && name == single(p.b) })
		exchange(t, p.a, p.b, 1<<10)
		p.close()
	}
}

func TestASuspendedLineKeepsDeadlinesAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, pipePair)
		exchange(t, p.a, p.b, 1<<10)
		kill(p.a)
		synctest.Wait()
		if _, ok := p.a.Carrier(); ok {
			t.Fatal("not suspended")
		}
		if _, err := p.a.Write([]byte("meanwhile")); err != nil {
			t.Errorf("a small write while suspended gives %v", err)
		}
		start := time.Now()
		p.a.SetReadDeadline(start.Add(3 * time.Second))
		if _, err := p.a.Read(make([]byte, 1)); err != os.ErrDeadlineExceeded || time.Since(start) != 3*time.Second {
			t.Errorf("Read gives %v after %v", err, time.Since(start))
		}
		p.a.SetWriteDeadline(start.Add(5 * time.Second))
		n, err := p.a.Write(make([]byte, 1<<20))
		if err != os.ErrDeadlineExceeded || time.Since(start) != 5*time.Second || n > sendAhead {
			t.Errorf("Write gives %d, %v after %v", n, err, time.Since(start))
		}
		p.a.SetDeadline(time.Time{})
		time.Sleep(4 * time.Minute)
		if err := p.attach(p.b, p.a, 0); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 9)
		if _, err := io.ReadFull(p.b, got); err != nil || string(got) != "meanwhile" {
			t.Errorf("then %q, %v arrive", got, err)
		}
	})
}

func TestALineWithoutAPathFailsAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{Wait: 7 * time.Minute}, pipePair)
		exchange(t, p.a, p.b, 1<<10)
		kill(p.a)
		start := time.Now()
		_, err := p.b.Read(make([]byte, 1))
		if !errors.Is(err, ErrNoPath) || !errors.Is(err, errGone) || time.Since(start) != 7*time.Minute {
			t.Errorf("Read gives %v after %v", err, time.Since(start))
		}
		synctest.Wait()
		if !errors.Is(p.a.Err(), ErrNoPath) {
			t.Errorf("the other end says %v", p.a.Err())
		}
	})
}

func TestAPeerThatWasRestartedEndsTheLine(t *testing.T) {
	for _, again := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, Config{}, pipePair)
			exchange(t, p.a, p.b, 1<<10)
			kill(p.a)
			near, far := net.Pipe()
			taken := make(chan error)
			var fresh *Line
			go func() {
				request, err := Receive(t.Context(), far)
				if err != nil {
					taken <- err
					return
				}
				if request.New || request.ID != p.a.ID() {
					t.Errorf("request %+v", request)
				}
				if err = request.Refuse(t.Context()); err == nil && again {
					if request, err = Receive(t.Context(), far); err == nil {
						fresh, err = request.Begin(Config{})
					}
					if err == nil {
						err = fresh.Take(t.Context(), request, Carrier{})
					}
				}
				taken <- err
			}()
			if err := p.a.Attach(t.Context(), Carrier{Conn: near}); err != ErrUnknown {
				t.Errorf("Attach gives %v", err)
			}
			if again { // on the same connection
				second := New(Config{})
				if err := second.Attach(t.Context(), Carrier{Conn: near}); err != nil {
					t.Fatal(err)
				}
				defer second.Close()
			}
			if err := <-taken; err != nil {
				t.Fatal(err)
			}
			if again {
				defer fresh.Close()
			}
			if _, err := p.a.Read(make([]byte, 1)); err != ErrUnknown {
				t.Errorf("Read gives %v", err)
			}
			if _, err := p.a.Write(make([]byte, 1)); err != ErrUnknown {
				t.Errorf("Write gives %v", err)
			}
			near.Close()
			far.Close()
		})
	}
}

func TestCloseTellsThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, pipePair)
		if _, err := p.a.Write([]byte("before")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		p.a.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %v, and the peer was there", took)
		}
		if got, err := io.ReadAll(p.b); string(got) != "before" || err != nil {
			t.Errorf("the peer reads %q, %v", got, err)
		}
		if _, err := p.b.Write([]byte("x")); err != io.ErrClosedPipe {
			t.Errorf("the peer's Write gives %v", err)
		}
		if _, err := p.a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Close gives %v", err)
		}
		if p.b.Err() != ErrPeerClosed {
			t.Errorf("the peer's end is over by %v", p.b.Err())
		}
	})
}

func TestCloseDoesNotWaitForAPeerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		near, far := net.Pipe() // nobody reads
		defer far.Close()
		go io.ReadFull(far, make([]byte, helloSize))
		if err := l.Attach(t.Context(), Carrier{Conn: near}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		l.Close()
		if took := time.Since(start); took != closeTime {
			t.Errorf("Close took %v", took)
		}
	})
}

// streamPair has lines stand for connections in nettest, which asks for what net.Conn promises.
func TestALineIsAConnection(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		p := newPair(t, Config{}, tcpPair)
		return p.a, p.b, p.close, nil
	})
}

func TestWhoIsAskedForAnAnswerKeepsItsCarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var holes holes
		p := newPair(t, Config{}, holes.dial)
		exchange(t, p.a, p.b, 1<<10)
		start := time.Now()
		if !p.a.Answers(t.Context(), 300*time.Millisecond) || time.Since(start) > 0 {
			t.Errorf("no answer in %v from a peer that is there", time.Since(start))
		}
		synctest.Wait() // for what the other end still says
		close(holes.last.dead)
		if p.a.Answers(t.Context(), 300*time.Millisecond) || time.Since(start) != 300*time.Millisecond {
			t.Errorf("an answer, or none after %v, from a peer that is gone", time.Since(start))
		}
		if _, ok := p.a.Carrier(); !ok {
			t.Error("the carrier was lost by asking")
		}
	})
}

func TestProvingKeepsWhatWorksAndDropsWhatDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h holes
		p := newPair(t, Config{}, h.dial)
		exchange(t, p.a, p.b, 1<<10)
		start := time.Now()
		p.a.Prove(t.Context(), 300*time.Millisecond)
		if _, ok := p.a.Carrier(); !ok || time.Since(start) > 0 {
			t.Errorf("a carrier that works: in use %v after %v", ok, time.Since(start))
		}
		synctest.Wait() // for what the other end still says
		close(h.last.dead)
		p.a.Prove(t.Context(), 300*time.Millisecond)
		if _, ok := p.a.Carrier(); ok || time.Since(start) != 300*time.Millisecond || p.a.Lost() != ErrSilent {
			t.Errorf("a carrier that does not: in use %v after %v, %v", ok, time.Since(start), p.a.Lost())
		}
		if err := p.attach(p.b, p.a, 0); err != nil {
			t.Fatal(err)
		}
		exchange(t, p.a, p.b, 1<<10)
		p.a.Fail(io.ErrNoProgress)
		if _, err := p.a.Read(make([]byte, 1)); err != io.ErrNoProgress {
			t.Errorf("after Fail Read gives %v", err)
		}
	})
}
