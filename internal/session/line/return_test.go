package line

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// comeBack gives both ends a carrier by Return.
func (p *pair) comeBack(name uint64) error {
	near, far := p.dial(p.t)
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() { errs[0] = p.a.Return(context.Background(), Carrier{Conn: near}, name) })
	both.Go(func() { errs[1] = p.b.Return(context.Background(), Carrier{Conn: far}, name) })
	both.Wait()
	return errors.Join(errs[:]...)
}

// TestBytesGoOnOverCarriersThatReturn kills the carrier in use at one end or at both, again and again in the middle of a transfer.
func TestBytesGoOnOverCarriersThatReturn(t *testing.T) {
	leakless(t)
	p := newPair(t, Config{Silence: 30 * time.Second}, tcpPair)
	stop := make(chan struct{})
	var chaos sync.WaitGroup
	var returns atomic.Int32
	chaos.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for name := uint64(1); ; name++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(random.IntN(20)) * time.Millisecond):
			}
			kill(p.a)
			if random.IntN(2) == 0 {
				kill(p.b)
			}
			if p.comeBack(name) == nil { // fails if the transfer is over
				returns.Add(1)
			}
		}
	})
	const enough = 8
	for began := time.Now(); returns.Load() < enough && !t.Failed() && time.Since(began) < 30*time.Second; {
		exchange(t, p.a, p.b, 4<<20) // a fast machine is done with one before much has happened
	}
	close(stop)
	chaos.Wait()
	if n := returns.Load(); n < enough {
		t.Errorf("only %d carriers returned", n)
	}
}

func TestBothEndsOfALineKnowThatThePeerCanReturn(t *testing.T) {
	p := newPair(t, Config{}, tcpPair)
	for name, l := range map[string]*Line{"a": p.a, "b": p.b} {
		await(t, l, name+" could return", l.CanReturn)
	}
}

// suspended is a line whose first carrier is lost, with the bytes "onetwo" on their way, of which the peer has "one".
func suspended(t *testing.T) *Line {
	t.Helper()
	l, far := raw(t, Config{})
	go io.Copy(io.Discard, far)
	if _, err := l.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	await(t, l, "sent", func() bool { return l.Stats().Sent == 3 })
	far.Write(appendAck(nil, 3, firstLimit))
	await(t, l, "acknowledged", func() bool { return l.Stats().Unacknowledged == 0 })
	if _, err := l.Write([]byte("two")); err != nil {
		t.Fatal(err)
	}
	await(t, l, "sent", func() bool { return l.Stats().Sent == 6 })
	far.Close()
	await(t, l, "suspended", func() bool { _, ok := l.Carrier(); return !ok })
	return l
}

// TestAFirstFlightHasTheBytesThatThePeerMayMiss reads what an end says before it has heard anything.
func TestAFirstFlightHasTheBytesThatThePeerMayMiss(t *testing.T) {
	synctest.Test(t, firstFlight)
}

func firstFlight(t *testing.T) {
	l := suspended(t)
	near, far := net.Pipe()
	back := make(chan error, 1)
	go func() { back <- l.Return(t.Context(), Carrier{Conn: near}, 77) }()
	said, err := readHello(far)
	if err != nil || said.intent != intentReturn || said.carrier != 77 || said.id != l.ID() {
		t.Fatalf("said %+v, %v", said, err)
	}
	var frame [headerSize + 3]byte
	if _, err := io.ReadFull(far, frame[:]); err != nil {
		t.Fatal(err)
	}
	h, err := parseHeader(frame[:])
	if err != nil || h.kind != kindData || h.value != 3 || string(frame[headerSize:]) != "two" {
		t.Fatalf("frame %+v with %q, %v; want the data from offset 3", h, frame[headerSize:], err)
	}
	go io.Copy(io.Discard, far)
	far.Write(hello{oldest: oldestVersion, newest: newestVersion, intent: intentReturn, returns: true, id: l.ID(), carrier: 77, received: 6, limit: firstLimit}.append(nil))
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	await(t, l, "acknowledged", func() bool { return l.Stats().Unacknowledged == 0 })
}

// TestWhatDoesNotReturnToTheLineIsRefused answers with something else, and looks that the bytes of the first flight go by the next carrier.
func TestWhatDoesNotReturnToTheLineIsRefused(t *testing.T) {
	answers := map[string]func(hello) []byte{
		"a welcome":        func(h hello) []byte { h.intent = intentWelcome; return h.append(nil) },
		"another line":     func(h hello) []byte { h.id[3]++; return h.append(nil) },
		"another carrier":  func(h hello) []byte { h.carrier++; return h.append(nil) },
		"bytes beyond all": func(h hello) []byte { h.received = 1 << 40; return h.append(nil) },
		"half a hello":     func(h hello) []byte { return h.append(nil)[:20] },
		"no hello":         func(hello) []byte { return binary.BigEndian.AppendUint64(make([]byte, 60), 1) },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { refuses(t, name, answer) })
		})
	}
}

func refuses(t *testing.T, name string, answer func(hello) []byte) {
	l := suspended(t)
	near, far := net.Pipe()
	var peer sync.WaitGroup
	defer peer.Wait()
	peer.Go(func() {
		said, err := readHello(far)
		if err != nil {
			return
		}
		go io.Copy(io.Discard, far)
		far.Write(answer(hello{oldest: oldestVersion, newest: newestVersion, intent: intentReturn, id: said.id, carrier: said.carrier, received: 3, limit: firstLimit}))
		time.Sleep(time.Second)
		far.Close()
	})
	if err := l.Return(t.Context(), Carrier{Conn: near}, 5); err == nil {
		t.Fatal("taken")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if name != "bytes beyond all" && (l.err != nil || !l.out.pending()) {
		t.Errorf("the line is over (%v), or its bytes are not to be sent again", l.err)
	}
}

// TestAnotherCarrierBringsWhatHasLeftOnOneThatDoesNotReturn begins to return to a peer that says nothing, before another carrier comes.
func TestAnotherCarrierBringsWhatHasLeftOnOneThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, pipePair)
		kill(p.a)
		await(t, p.a, "suspended", func() bool { _, ok := p.a.Carrier(); return !ok })
		p.a.Write([]byte("word"))
		near, far := net.Pipe()
		left := make(chan struct{})
		go func() {
			defer close(left)
			readHello(far)
			io.ReadFull(far, make([]byte, headerSize+4))
		}()
		back := make(chan error, 1)
		go func() { back <- p.a.Return(t.Context(), Carrier{Conn: near}, 3) }()
		<-left
		if err := p.attach(p.a, p.b, 0); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := make([]byte, 4)
		if _, err := io.ReadFull(p.b, got); err != nil || string(got) != "word" || time.Since(began) > time.Second {
			t.Errorf("got %q, %v after %v", got, err, time.Since(began))
		}
		far.Close()
		if err := <-back; err == nil {
			t.Error("returned to nobody")
		}
	})
}
