package relay_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestBytesGoBothWaysAndHalvesCloseByThemselves(t *testing.T) {
	s := start(t, relay.Limits{})
	a, b := s.pair(t, 1)
	const size = 8 << 20
	sums := make(chan [32]byte, 4)
	send := func(c *relay.Conn) {
		h := sha256.New()
		io.Copy(io.MultiWriter(c, h), io.LimitReader(rand.Reader, size))
		c.NetConn().(*net.TCPConn).CloseWrite()
		sums <- [32]byte(h.Sum(nil))
	}
	receive := func(c *relay.Conn) [32]byte {
		h := sha256.New()
		if n, err := io.Copy(h, c); n != size || err != nil {
			t.Errorf("received %d bytes, %v", n, err)
		}
		return [32]byte(h.Sum(nil))
	}
	go send(a)
	if got, want := receive(b), <-sums; got != want {
		t.Error("bytes changed on the way there")
	}
	go send(b) // a has ended its half
	if got, want := receive(a), <-sums; got != want {
		t.Error("bytes changed on the way back")
	}
	eventually(t, "an orderly end", func() bool { return s.Stats().Ended["orderly"] == 1 })
	if stats := s.Stats(); stats.Bytes != 2*size+4 || stats.Pairs != 0 || stats.Joined != 1 {
		t.Errorf("stats: %+v", stats)
	}
	if len(s.words) > 0 {
		t.Error("an orderly end was told")
	}
}

func TestWhatIsSentBeforeThePeerComesIsNotLost(t *testing.T) {
	s := start(t, relay.Limits{})
	a := s.enter(t, ticket(1, dialer))
	early := bytes.Repeat([]byte("early "), 1000)
	if _, err := a.Write(early); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a waits", func() bool { return s.Stats().Waiting == 1 })
	b := s.enter(t, ticket(1, callee))
	got := make([]byte, len(early))
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, early) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestTokensAreForOneSideOfOneAttemptOnce(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := start(t, relay.Limits{WaitTimeout: short})
	other := start(t, relay.Limits{})
	good := s.Token(ticket(1, dialer))
	hello := func(attempt byte, token []byte) wire.RelayHello {
		return wire.RelayHello{Attempt: wire.AttemptID{attempt}, Token: token}
	}
	forged := bytes.Clone(good)
	forged[20] ^= 1
	for name, h := range map[string]wire.RelayHello{
		"garbage":               hello(1, bytes.Repeat([]byte{7}, wire.MaxTokenLen)),
		"shortest garbage":      hello(1, make([]byte, wire.MinTokenLen)),
		"one bit changed":       hello(1, forged),
		"of another attempt":    hello(2, good),
		"of another server":     hello(1, other.Token(ticket(1, dialer))),
		"of a previous process": hello(1, relay.NewServer(relay.Config{}).Token(ticket(1, dialer))),
	} {
		t.Run(name, func(t *testing.T) { wantStatus(t, s.say(t, h, nil), wire.RelayStatus_RELAY_STATUS_TOKEN) })
	}
	t.Run("too old", func(t *testing.T) {
		s := start(t, relay.Limits{TokenLife: time.Nanosecond})
		wantStatus(t, s.enter(t, ticket(1, dialer)), wire.RelayStatus_RELAY_STATUS_TOKEN)
	})
	t.Run("kept for later", func(t *testing.T) {
		s := start(t, relay.Limits{TokenLife: 10 * time.Millisecond, WaitTimeout: short})
		kept := wire.RelayHello{Attempt: wire.AttemptID{1}, Token: s.Keep(ticket(1, dialer))}
		wantStatus(t, s.say(t, kept, nil), wire.RelayStatus_RELAY_STATUS_ALONE) // good, but nobody else came
		s = start(t, relay.Limits{KeptLife: time.Nanosecond})
		kept.Token = s.Keep(ticket(1, dialer))
		wantStatus(t, s.say(t, kept, nil), wire.RelayStatus_RELAY_STATUS_TOKEN)
	})
	t.Run("twice while the first waits", func(t *testing.T) {
		first := s.say(t, hello(1, good), nil)
		eventually(t, "the first waits", func() bool { return s.Stats().Waiting == 1 })
		wantStatus(t, s.say(t, hello(1, good), nil), wire.RelayStatus_RELAY_STATUS_TOKEN)
		wantStatus(t, s.enter(t, ticket(1, dialer)), wire.RelayStatus_RELAY_STATUS_TOKEN) // a second token of the same side
		wantStatus(t, first, wire.RelayStatus_RELAY_STATUS_ALONE)
	})
	t.Run("twice after the first was joined", func(t *testing.T) {
		s.pair(t, 3)
		wantStatus(t, s.enter(t, ticket(3, callee)), wire.RelayStatus_RELAY_STATUS_TOKEN)
	})
	t.Run("after the other side has gone", func(t *testing.T) {
		wantStatus(t, s.enter(t, ticket(1, callee)), wire.RelayStatus_RELAY_STATUS_ALONE)
	})
}

func TestWhoDoesNotSpeakAsANodeIsResetWithoutAWord(t *testing.T) {
	s := start(t, relay.Limits{HelloTimeout: 200 * time.Millisecond})
	for name, sent := range map[string]string{
		"a preface of a peer": string(wire.Preface{}.Append(nil)) + "\x20",
		"HTTP":                "big request\r\nHost: example.org\r\n\r\n",
		"one byte":            "b",
		"half a hello":        string(wire.RelayHello{Token: make([]byte, 64)}.Append(nil)[:40]),
	} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte(sent))
		conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || !sockerr.IsCut(err) || errors.Is(err, io.EOF) {
			t.Errorf("%s: got %d bytes, %v, want a reset", name, n, err)
		}
	}
	eventually(t, "all counted", func() bool { return s.Stats().Refused["hello"] == 4 })
}

func TestBrokenConnectionBreaksTheOtherWithAReason(t *testing.T) {
	s := start(t, relay.Limits{})
	over := make(chan wire.RelayStatus, 1)
	k := ticket(1, dialer)
	a := s.say(t, wire.RelayHello{Attempt: k.Attempt, Token: s.Token(k)}, over)
	b := s.enter(t, ticket(1, callee))
	b.Write([]byte("x"))
	io.ReadFull(a, make([]byte, 1))
	b.NetConn().(*net.TCPConn).SetLinger(0)
	b.Close()
	s.wantWords(t, 1, wire.RelayStatus_RELAY_STATUS_PEER_LOST)
	over <- wire.RelayStatus_RELAY_STATUS_PEER_LOST // as the main connection would bring it
	wantStatus(t, a, wire.RelayStatus_RELAY_STATUS_PEER_LOST)
}

func TestEndOfTheServerIsToldToAll(t *testing.T) {
	s := start(t, relay.Limits{})
	s.pair(t, 1)
	alone := s.enter(t, ticket(2, dialer))
	eventually(t, "one waits", func() bool { return s.Stats().Waiting == 1 })
	go s.stop()
	s.wantWords(t, 1, wire.RelayStatus_RELAY_STATUS_CLOSING)
	wantStatus(t, alone, wire.RelayStatus_RELAY_STATUS_CLOSING)
}

func TestConnOfAServerThatIsGoneSaysSo(t *testing.T) {
	s := start(t, relay.Limits{})
	k := ticket(1, dialer)
	a := s.say(t, wire.RelayHello{Attempt: k.Attempt, Token: s.Token(k)}, make(chan wire.RelayStatus))
	s.enter(t, ticket(1, callee)).NetConn().(*net.TCPConn).CloseWrite() // looks like an end of the server's process
	_, err := io.ReadAll(a)
	var broken *relay.StatusError
	if !errors.As(err, &broken) || broken.Status != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v, want a StatusError without a status", err)
	}
}

func TestConnWithoutAReasonKeepsTheErrorOfTheNetwork(t *testing.T) {
	s := start(t, relay.Limits{})
	a, b := s.pair(t, 1)
	b.NetConn().(*net.TCPConn).CloseWrite()
	if n, err := a.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v, want EOF", n, err)
	}
	a.Close()
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
}
