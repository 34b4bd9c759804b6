package line

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// raw makes a line whose peer keeps none of the rules, and returns the peer's end of its carrier behind the hellos.
func raw(t *testing.T, config Config) (*Line, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	l := New(config)
	t.Cleanup(func() {
		far.Close()
		l.Close()
	})
	go func() {
		said, err := readHello(far)
		if err != nil {
			t.Error(err)
		}
		answer := hello{oldest: oldestVersion, newest: newestVersion, intent: intentWelcome, id: said.id, limit: firstLimit}
		far.Write(answer.append(nil))
	}()
	if err := l.Attach(t.Context(), Carrier{Conn: near}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return l, far
}

func TestAPeerThatBreaksTheProtocolEndsTheLine(t *testing.T) {
	beyond := header{kindData, 1, 32 << 20}.append(nil)
	for name, frame := range map[string][]byte{
		"a frame of a multiplexer":        {0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9},
		"data of no bytes":                header{kindData, 0, 5}.append(nil),
		"data at the end of time":         header{kindData, 5, 1<<64 - 1}.append(nil),
		"data beyond the limit":           append(beyond, 1),
		"a frame of 16 MiB":               header{kindData, 1<<24 - 1, 0}.append(nil),
		"what was not sent acknowledged":  appendAck(nil, 1, firstLimit),
		"an acknowledgment without limit": header{kindAck, 0, 0}.append(nil),
		"a ping with a load":              header{kindPing, 8, 0}.append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, peer := raw(t, Config{})
				go io.Copy(io.Discard, peer)
				go peer.Write(frame)
				_, err := l.Read(make([]byte, 1))
				if name == "a frame of a multiplexer" { // its kind is 0, which may mean something one day; the rest is no frame
					peer.Close()
					return
				}
				if !errors.Is(err, ErrProtocol) {
					t.Errorf("Read gives %v", err)
				}
			})
		})
	}
}

func TestFramesOfALaterVersionArePassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peer := raw(t, Config{})
		go io.Copy(io.Discard, peer)
		frames := header{kind(77), 1000, 3}.append(nil)
		frames = append(frames, make([]byte, 1000)...)
		frames = append(header{kindData, 2, 0}.append(frames), "ok"...)
		go peer.Write(frames)
		got := make([]byte, 2)
		if _, err := io.ReadFull(l, got); string(got) != "ok" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestAPeerThatNeverAcknowledgesCostsTheBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peer := raw(t, Config{Buffer: 4 << 20})
		go io.Copy(io.Discard, peer)
		go func() { // it says that it would take all
			peer.Write(appendAck(nil, 0, 1<<40))
			for n := uint64(0); ; n++ { // and lives
				if _, err := peer.Write((header{kindPing, 0, n}).append(nil)); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		l.SetWriteDeadline(time.Now().Add(time.Minute))
		n, _ := l.Write(make([]byte, 16<<20))
		if n > 4<<20 {
			t.Errorf("%d bytes are kept", n)
		}
		if err := l.Err(); err != nil {
			t.Errorf("the line is over: %v", err)
		}
		peer.Close()
		time.Sleep(2 * time.Second) // for the goroutine that pings
	})
}

func TestAPeerThatNeverReadsCostsWhatMayBeUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := raw(t, Config{})
		l.SetWriteDeadline(time.Now().Add(5 * time.Second))
		n, _ := l.Write(make([]byte, 16<<20))
		if n > sendAhead+batch {
			t.Errorf("%d bytes are kept", n)
		}
	})
}

func TestScatteredDataIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peer := raw(t, Config{})
		go io.Copy(io.Discard, peer)
		go func() {
			for i := uint64(1); ; i += 2 { // every second byte
				if _, err := peer.Write(append((header{kindData, 1, i}).append(nil), 1)); err != nil {
					return
				}
			}
		}()
		if _, err := l.Read(make([]byte, 1)); !errors.Is(err, ErrProtocol) {
			t.Errorf("Read gives %v", err)
		}
		if n := len(l.in.pieces); n > maxPieces+1 {
			t.Errorf("%d pieces", n)
		}
	})
}

func TestDataThatTakesAChunkForEachByteIsBounded(t *testing.T) {
	for _, window := range []int{firstLimit, 20 << 20, 32 << 20} {
		var p pool
		r := receiver{pool: &p, window: window, offered: uint64(window)}
		for offset := uint64(1); ; offset += 2 {
			c := p.get()
			err := r.accept(offset, part{c, 0, 1})
			p.release(c)
			if errors.Is(err, ErrProtocol) {
				break
			}
			if taken, bound := len(r.pieces)*chunkSize, max(64<<20, 4*window); taken > bound {
				t.Fatalf("%d bytes of memory for a window of %d, want %d at most", taken, window, bound)
			}
		}
	}
}

func TestHellosThatAreNoneAreRefused(t *testing.T) {
	good := hello{oldest: oldestVersion, newest: newestVersion, intent: intentBegin}
	for name, c := range map[string]struct {
		said []byte
		want error
	}{
		"a stream multiplexer":  {make([]byte, helloSize), ErrProtocol},
		"a welcome":             {hello{oldest: oldestVersion, newest: newestVersion, intent: intentWelcome}.append(nil), ErrProtocol},
		"a version of tomorrow": {hello{oldest: newestVersion + 1, newest: 9, intent: intentBegin}.append(nil), ErrVersion},
		"versions the wrong way": {
			hello{oldest: newestVersion, newest: newestVersion - 1, intent: intentBegin}.append(nil), ErrProtocol},
		"a long extension": {append(good.append(nil)[:helloSize-2], 0xff, 0xff), ErrProtocol},
		"half a hello":     {good.append(nil)[:20], io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				var answer bytes.Buffer
				heard := make(chan struct{})
				go func() {
					near.Write(c.said)
					if c.want == io.ErrUnexpectedEOF {
						near.Close()
					}
					io.Copy(&answer, near)
					close(heard)
				}()
				if _, err := Receive(t.Context(), far); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				<-heard
				if c.want == ErrVersion {
					if h, _, err := parseHello(answer.Bytes()); err != nil || h.intent != intentVersion {
						t.Errorf("the answer is %+v, %v", h, err)
					}
				}
			})
		})
	}
}

func TestAPeerOfAnotherVersionEndsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		l := New(Config{})
		defer l.Close()
		go func() {
			said, _ := readHello(far)
			far.Write(hello{oldest: 7, newest: 9, intent: intentVersion, id: said.id}.append(nil))
		}()
		l.Attach(t.Context(), Carrier{Conn: near})
		if _, err := l.Read(make([]byte, 1)); err != ErrVersion {
			t.Errorf("Read gives %v", err)
		}
		far.Close()
	})
}

func TestASilentPathIsNoticedAndAnIdleOneKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h holes
		p := newPair(t, Config{}, h.dial)
		exchange(t, p.a, p.b, 1<<10)
		time.Sleep(time.Hour)
		if _, ok := p.a.Carrier(); !ok {
			t.Fatal("an idle hour cost the carrier")
		}
		if silence := h.last.longest; silence > 31*time.Second || silence < 14*time.Second {
			t.Errorf("longest silence was %v", silence)
		}
		for _, busy := range []bool{true, false} {
			if !busy {
				if err := p.attach(p.a, p.b, 0); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(p.b, make([]byte, 1)); err != nil { // what was on its way when the path died
					t.Fatal(err)
				}
				exchange(t, p.a, p.b, 1<<10)
			}
			close(h.last.dead)
			start := time.Now()
			want := 15*time.Second + 6*time.Second
			if busy {
				want = 6 * time.Second
				p.a.Write([]byte("x"))
			}
			for {
				<-p.a.Changed()
				if _, ok := p.a.Carrier(); !ok {
					break
				}
			}
			if took := time.Since(start); took > want+time.Millisecond {
				t.Errorf("busy %v: noticed after %v, want %v", busy, took, want)
			}
			time.Sleep(30 * time.Second) // the other end notices, too
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(append(header{kindData, 5, 0}.append(nil), "hello"...))
	f.Add(appendAck(nil, 0, 1<<20))
	f.Add(header{kindPing, 0, 7}.append(nil))
	f.Add(header{kindLeave, 0, 0}.append(header{kindPong, 0, 7}.append(nil)))
	f.Add(header{kindClose, 0, 0}.append(nil))
	f.Add(append(header{kindData, 3, 2}.append(nil), append([]byte("ell"), header{kindData, 9, 0}.append(nil)...)...))
	f.Fuzz(func(t *testing.T, frames []byte) {
		near, far := net.Pipe()
		l := New(Config{Window: 1 << 20})
		c := l.newCarrier(Carrier{Conn: far}, 1)
		l.mu.Lock()
		c.start(func() error { return nil })
		l.mu.Unlock()
		go io.Copy(io.Discard, near)
		near.Write(frames)
		near.Close()
		l.mu.Lock()
		if kept := l.in.next - l.in.read; kept > 1<<20 || len(l.in.pieces) > maxPieces+1 {
			t.Errorf("%d bytes, %d pieces are kept", kept, len(l.in.pieces))
		}
		l.mu.Unlock()
		l.Close()
	})
}

func FuzzHello(f *testing.F) {
	f.Add(hello{oldest: oldestVersion, newest: newestVersion, intent: intentBegin, rank: 1, carrier: 99, limit: 5}.append(nil))
	f.Add(hello{oldest: oldestVersion, newest: newestVersion, intent: intentFull, beside: true}.append(nil))
	f.Add(hello{oldest: newestVersion, newest: newestVersion + 2, intent: intentUnknown, alone: true}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHello(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := readHello(bytes.NewReader(h.append(nil)))
		if err != nil || again != h {
			t.Errorf("%+v comes back as %+v, %v", h, again, err)
		}
	})
}

// TestAnIdleLineHoldsNoBuffers is memory per idle line, one end, without what its connection holds.
func TestAnIdleLineHoldsNoBuffers(t *testing.T) {
	const lines = 50
	held := func() int {
		runtime.GC()
		runtime.GC()
		runtime.GC() // pools are emptied in two
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc + m.StackInuse)
	}
	before := held()
	var pairs []*pair
	for range lines {
		p := newPair(t, Config{}, pipePair)
		exchange(t, p.a, p.b, 1<<20)
		pairs = append(pairs, p)
	}
	for _, p := range pairs {
		for _, l := range []*Line{p.a, p.b} {
			await(t, l, "idle", func() bool { return l.Stats().Unacknowledged == 0 })
		}
	}
	each := (held() - before) / (2 * lines)
	t.Logf("%d bytes an end", each)
	if each > 48<<10 {
		t.Errorf("an idle line holds %d bytes", each)
	}
	for _, p := range pairs {
		p.close()
	}
}
