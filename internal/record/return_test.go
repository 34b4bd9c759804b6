package record

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

var attempt = [AttemptLen]byte{1, 2, 3}

// secrets are one for each cipher suite.
func secretsToReturnBy() []Secret {
	var all []Secret
	for _, suite := range suites {
		all = append(all, Secret{suite: suite, key: [32]byte{byte(suite)}})
	}
	return all
}

// flight is what one side sends first.
func flight(t testing.TB, s Secret, attempt [AttemptLen]byte, dialer bool, words ...string) []byte {
	t.Helper()
	wire := new(recorder)
	c, err := s.Return(wire, attempt, dialer)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range words {
		if _, err := c.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
	}
	return wire.Bytes()
}

// take is what the other side reads of a flight, and the error at its end.
func take(t testing.TB, s Secret, attempt [AttemptLen]byte, dialer bool, flight []byte) ([]byte, error) {
	t.Helper()
	c, err := s.Return(&recorder{Buffer: *bytes.NewBuffer(flight)}, attempt, dialer)
	if err != nil {
		t.Fatal(err)
	}
	return io.ReadAll(c)
}

// A recorder is a connection that keeps what is written, and gives what it holds.
type recorder struct {
	net.Conn
	bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error)  { return r.Buffer.Read(p) }
func (r *recorder) Write(p []byte) (int, error) { return r.Buffer.Write(p) }

func TestBothEndsThatShareASecretSpeakAtOnce(t *testing.T) {
	for _, s := range secretsToReturnBy() {
		near, far := loopback(t)
		dialer, err := s.Return(near, attempt, true)
		if err != nil {
			t.Fatal(err)
		}
		callee, err := s.Return(far, attempt, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Returned{dialer, callee} { // nobody reads before both have written
			if _, err := c.Write([]byte("first")); err != nil {
				t.Fatal(err)
			}
		}
		large := bytes.Repeat([]byte("0123456789"), 10_000)
		go dialer.Write(large)
		for _, c := range []*Returned{dialer, callee} {
			got := make([]byte, 5)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "first" {
				t.Fatalf("%s: got %q, %v", tls.CipherSuiteName(s.suite), got, err)
			}
		}
		got := make([]byte, len(large))
		if _, err := io.ReadFull(callee, got); err != nil || !bytes.Equal(got, large) {
			t.Fatalf("%s: the rest differs, %v", tls.CipherSuiteName(s.suite), err)
		}
		if next := s.Next(attempt); dialer.Secret() != next || callee.Secret() != next || next == s || next.Attempt() == s.Attempt() {
			t.Errorf("%s: the next secret is not the same and new", tls.CipherSuiteName(s.suite))
		}
	}
}

func TestTheEndsOfATLSConnectionShareASecret(t *testing.T) {
	server, client := configs(t)
	near, far := loopback(t)
	done := make(chan *Conn, 1)
	go func() {
		c, err := ServerConn(context.Background(), far, server)
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	c, err := ClientConn(t.Context(), near, client)
	if err != nil {
		t.Fatal(err)
	}
	other := <-done
	if other == nil || c.Secret() != other.Secret() || c.Secret().IsZero() {
		t.Error("the secrets of the two ends differ, or there is none")
	}
}

func TestAFlightIsTakenForWhatItWasMadeForAlone(t *testing.T) {
	for _, s := range secretsToReturnBy() {
		good := flight(t, s, attempt, true, "hello", "data")
		if got, err := take(t, s, attempt, false, good); string(got) != "hellodata" || err != nil {
			t.Fatalf("the flight itself: got %q, %v", got, err)
		}
		foreign := s
		foreign.key[5] ^= 1
		for name, try := range map[string]func() ([]byte, error){
			"another secret":           func() ([]byte, error) { return take(t, foreign, attempt, false, good) },
			"the next secret":          func() ([]byte, error) { return take(t, s.Next(attempt), attempt, false, good) },
			"another attempt":          func() ([]byte, error) { return take(t, s, [AttemptLen]byte{9}, false, good) },
			"sent back to its maker":   func() ([]byte, error) { return take(t, s, attempt, true, good) },
			"without its first record": func() ([]byte, error) { return take(t, s, attempt, false, cutOut(good, returnLen, returnLen+27)) },
			"with the nonce of another flight": func() ([]byte, error) {
				return take(t, s, attempt, false, append(flight(t, s, attempt, true, "x")[:returnLen:returnLen], good[returnLen:]...))
			},
		} {
			if got, err := try(); len(got) > 0 || !errors.Is(err, ErrBroken) {
				t.Errorf("%s: got %q, %v, want ErrBroken", name, got, err)
			}
		}
	}
}

func cutOut(b []byte, from, to int) []byte { return append(b[:from:from], b[to:]...) }

// TestAnAlteredOrCutFlightGivesNoByteThatWasNotSent flips each bit of a flight, and cuts it at each place.
func TestAnAlteredOrCutFlightGivesNoByteThatWasNotSent(t *testing.T) {
	s := secretsToReturnBy()[0]
	good := flight(t, s, attempt, true, "hello", "data")
	first := returnLen + headerLen + len("hello") + 1 + tagLen
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		got, err := take(t, s, attempt, false, bad)
		want := ""
		if bit/8 >= first {
			want = "hello"
		}
		if string(got) != want || err == nil {
			t.Fatalf("bit %d flipped: got %q, %v, want %q and an error", bit, got, err, want)
		}
	}
	for n := range len(good) {
		got, _ := take(t, s, attempt, false, good[:n])
		if !bytes.HasPrefix([]byte("hellodata"), got) || n < first && len(got) > 0 {
			t.Fatalf("cut at %d: got %q", n, got)
		}
	}
}

// TestNoTwoFlightsHaveTheSameKeys seals the same bytes for the same attempt.
func TestNoTwoFlightsHaveTheSameKeys(t *testing.T) {
	s := secretsToReturnBy()[0]
	seen := map[string]bool{}
	for range 100 {
		sealed := string(flight(t, s, attempt, true, "hello")[returnLen:])
		if seen[sealed] {
			t.Fatal("two flights are the same")
		}
		seen[sealed] = true
	}
}

func TestAReturnedConnectionWaitsNoLongerThanItsDeadline(t *testing.T) {
	near, _ := loopback(t)
	c, err := secretsToReturnBy()[0].Return(near, attempt, true)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	var timeout net.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read gives %v, want a timeout", err)
	}
}

// FuzzReturned gives a side that waits for a flight other bytes, alone and behind a good flight.
func FuzzReturned(f *testing.F) {
	s := secretsToReturnBy()[0]
	f.Add([]byte{}, false)
	f.Add([]byte("bdkr\x01"), false)
	f.Add(flight(f, s, attempt, false, "hello"), true)
	f.Add(flight(f, s, attempt, true, "hello"), false)
	f.Fuzz(func(t *testing.T, tail []byte, behind bool) {
		b, want := tail, ""
		if behind {
			b, want = append(flight(t, s, attempt, true, "good"), tail...), "good"
		}
		got, err := take(t, s, attempt, false, b)
		if string(got) != want && !bytes.HasPrefix(tail, []byte(returnMagic)) || err == nil && len(tail) > 0 && behind {
			t.Fatalf("got %q, %v from bytes in which only %q was sealed", got, err, want)
		}
	})
}
