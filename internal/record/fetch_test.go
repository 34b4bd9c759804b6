package record

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

func TestMuchIsWaitedForWhileMuchComesFastAndMoreIsAnnounced(t *testing.T) {
	for name, c := range map[string]struct {
		rest, came int
		took       time.Duration
		want       int
	}{
		"nothing is announced":       {0, 256 << 10, time.Millisecond, 1},
		"more came than was told of": {-5, 256 << 10, time.Millisecond, 1},
		"little is announced":        {64<<10 - 1, 256 << 10, time.Millisecond, 1},
		"some is announced":          {100 << 10, 256 << 10, time.Millisecond, 100 << 10},
		"much is announced":          {1 << 20, 256 << 10, time.Millisecond, 256 << 10},
		"little came":                {1 << 20, 64<<10 - 1, time.Microsecond, 1},
		"it came slowly":             {1 << 20, 256 << 10, 3 * time.Millisecond, 1},
		"nothing has come yet":       {1 << 20, 0, time.Hour, 1},
	} {
		if got := threshold(c.rest, c.came, c.took); got != c.want {
			t.Errorf("%s: waits for %d bytes, want %d", name, got, c.want)
		}
	}
}

func TestWhatIsAnnouncedAndDoesNotComeHoldsUpNothing(t *testing.T) {
	if !canTry {
		t.Skip("sockets wait for one byte on this system")
	}
	a, b := loopback(t)
	conn, other := secured(t, a, b, true, false)
	waits := make(chan struct{}, 100)
	conn.OnWait(func() { waits <- struct{}{} })
	for range 20 {
		conn.Expect(1 << 20)
		conn.in.from.since, conn.in.from.waited = 1<<30, time.Now()
		got := chan1(func() string {
			space := make([]byte, 100)
			n, err := conn.Read(space)
			if err != nil {
				t.Error(err)
			}
			return string(space[:n])
		})
		<-waits
		if _, err := io.WriteString(other, "little"); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-got:
			if text != "little" {
				t.Fatalf("got %q", text)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("not read")
		}
		if conn.in.from.threshold == 1 {
			t.Fatal("did not wait for much")
		}
		for len(waits) > 0 {
			<-waits
		}
	}
}

// A lookedAt connection has looked at its first bytes.
type lookedAt struct{ net.Conn }

func (l lookedAt) Plain() net.Conn { return l.Conn }

func TestAConnectionWhoseFirstBytesWereLookedAtIsReadAsTheOneBelow(t *testing.T) {
	a, b := loopback(t)
	conn, other := secured(t, lookedAt{a}, b, true, false)
	if got := conn.in.from.raw != nil; got != canTry {
		t.Errorf("read without waiting: %t, want %t", got, canTry)
	}
	go io.WriteString(other, "word")
	space := make([]byte, 10)
	if n, err := conn.Read(space); err != nil || string(space[:n]) != "word" {
		t.Errorf("got %q, %v", space[:n], err)
	}
}

func TestWhatHasTheMarkBehindItIsSealedAsAnythingElse(t *testing.T) {
	eachPairing(t, func(t *testing.T, conn *Conn, other net.Conn) {
		random := rand.New(rand.NewPCG(5, 6))
		var want []byte
		var pieces [][]byte
		for len(want) < 1<<20 {
			n := random.IntN(maxPlaintext + 500)
			if random.IntN(3) == 0 {
				n = maxPlaintext
			}
			memory := make([]byte, n+1)
			for i := range memory {
				memory[i] = byte(random.Uint32())
			}
			if random.IntN(3) > 0 {
				memory[n] = Mark
			}
			pieces = append(pieces, memory[:n:n+random.IntN(2)])
			want = append(want, memory[:n]...)
		}
		wrote := chan1(func() error {
			for _, p := range pieces {
				if n, err := conn.WriteMarked(p); err != nil || n != len(p) {
					return io.ErrShortWrite
				}
			}
			return nil
		})
		got := make([]byte, len(want))
		if _, err := io.ReadFull(other, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read other bytes than were written: %v", err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if all := bytes.Join(pieces, nil); !bytes.Equal(all, want) {
			t.Error("what was written is another now")
		}
	})
}
