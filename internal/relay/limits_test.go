package relay_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Each quota, met by one pair (attempt 1) that another (attempt 2) comes after.
func TestQuotasOfConnectionsRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		limits relay.Limits
		second relay.Ticket
		want   wire.RelayStatus
	}{
		"pairs":          {relay.Limits{Pairs: 1}, stranger(2), wire.RelayStatus_RELAY_STATUS_BUSY},
		"pairs per node": {relay.Limits{PairsPerNode: 1}, ticket(2, dialer), wire.RelayStatus_RELAY_STATUS_BUSY},
		"pairs per room": {relay.Limits{PairsPerRoom: 1}, ticket(2, callee), wire.RelayStatus_RELAY_STATUS_BUSY},
		"another node":   {relay.Limits{PairsPerNode: 1, WaitTimeout: short}, stranger(2), wire.RelayStatus_RELAY_STATUS_ALONE},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, c.limits)
			s.pair(t, 1)
			wantStatus(t, s.enter(t, c.second), c.want)
		})
	}
}

// stranger is a node of another room.
func stranger(attempt byte) relay.Ticket {
	return relay.Ticket{Attempt: wire.AttemptID{attempt}, Role: dialer, Owner: relay.Owner{Node: 77, Room: 78, Connection: 79}}
}

func TestRefusalOfTheSecondSideReachesTheFirst(t *testing.T) {
	s := start(t, relay.Limits{PairsPerNode: 1})
	first := s.enter(t, ticket(2, dialer))
	eventually(t, "the first waits", func() bool { return s.Stats().Waiting == 1 })
	k := ticket(1, dialer)
	k.Owner.Node = 5
	s.enter(t, k)
	s.enter(t, ticket(1, callee)) // the callee's node has one pair now
	eventually(t, "a pair", func() bool { return s.Stats().Pairs == 1 })
	wantStatus(t, s.enter(t, ticket(2, callee)), wire.RelayStatus_RELAY_STATUS_BUSY)
	wantStatus(t, first, wire.RelayStatus_RELAY_STATUS_BUSY)
}

func TestQuotaOfBytesEndsAPairAndRefusesTheNext(t *testing.T) {
	for name, limits := range map[string]relay.Limits{
		"of a node": {BytesPerNode: 1 << 20},
		"of a room": {BytesPerRoom: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, limits)
			a, b := s.pair(t, 1)
			go io.Copy(a, zeros{})
			go io.Copy(io.Discard, b)
			s.wantWords(t, 1, wire.RelayStatus_RELAY_STATUS_BYTES)
			if carried := s.Stats().Bytes; carried < 1<<20 || carried > 2<<20 {
				t.Errorf("carried %d bytes, want 1 to 2 MiB", carried)
			}
			wantStatus(t, s.enter(t, ticket(2, dialer)), wire.RelayStatus_RELAY_STATUS_BYTES)
		})
	}
}

// TestRatesAreKept measures over a real clock, as splicing needs sockets.
func TestRatesAreKept(t *testing.T) {
	const perSecond = 8 << 20
	for name, limits := range map[string]relay.Limits{
		"of a node": {BytesPerSecondPerNode: perSecond},
		"of a room": {BytesPerSecondPerRoom: perSecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, limits)
			a, b := s.pair(t, 1)
			go io.Copy(a, zeros{})
			stopwatch.Within(t, 5*time.Second, func() time.Duration {
				began := time.Now()
				const size = 8 << 20
				if _, err := io.CopyN(io.Discard, b, size); err != nil {
					t.Fatal(err)
				}
				// A quarter of a second's worth is free, and the sockets on the way hold a few MiB.
				took := time.Since(began)
				if took < 250*time.Millisecond {
					t.Errorf("%d bytes took %v, want about 0.75 s", size, took)
				}
				return took
			})
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestHalfOpenConnectionsCostNoGoroutineAndHaveALimit(t *testing.T) {
	const limit = 300
	s := start(t, relay.Limits{Waiting: limit, WaitingPerNode: -1, WaitTimeout: time.Minute})
	var refused int
	for i := range limit + 20 {
		k := ticket(0, dialer)
		k.Attempt = wire.AttemptID{byte(i), byte(i >> 8), 1}
		s.enter(t, k)
	}
	eventually(t, "all waiting or refused", func() bool {
		stats := s.Stats()
		refused = int(stats.Refused["busy"])
		return stats.Waiting+refused == limit+20
	})
	if refused != 20 {
		t.Errorf("%d refused, want 20", refused)
	}
	if n := runtime.NumGoroutine(); n > limit/2 {
		t.Errorf("%d goroutines for %d that wait", n, limit)
	}
}

// TestKeptTokensLeaveRoomToThoseWhoseOtherSideComes has a node come with more kept tokens than it may have connections waiting, and then with one of a new attempt.
func TestKeptTokensLeaveRoomToThoseWhoseOtherSideComes(t *testing.T) {
	for name, limits := range map[string]relay.Limits{
		"of the node":   {WaitingPerNode: 8, WaitTimeout: time.Minute},
		"of the server": {Waiting: 8, WaitingPerNode: -1, WaitTimeout: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, limits)
			for i := range 12 {
				k := ticket(byte(100+i), dialer)
				s.say(t, wire.RelayHello{Attempt: k.Attempt, Token: s.Keep(k)}, nil)
			}
			eventually(t, "all are waiting or refused", func() bool {
				stats := s.Stats()
				return stats.Waiting+int(stats.Refused["busy"]) == 12
			})
			if n := s.Stats().Waiting; n != 4 {
				t.Errorf("%d wait with kept tokens, want 4", n)
			}
			a := s.enter(t, ticket(1, dialer))
			eventually(t, "the next is waiting or refused", func() bool {
				stats := s.Stats()
				return stats.Waiting+int(stats.Refused["busy"]) == 13
			})
			b := s.enter(t, ticket(1, callee))
			if _, err := a.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			b.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
				t.Errorf("the two of a new attempt do not meet: %v", err)
			}
		})
	}
}

func TestTimeEndsPairs(t *testing.T) {
	for name, c := range map[string]struct {
		limits  relay.Limits
		feed    bool // bytes flow all the time
		deaf    bool // one side reads nothing
		want    wire.RelayStatus
		at, sum time.Duration // when the end comes, give or take
	}{
		"both silent":  {limits: relay.Limits{IdleTimeout: time.Minute}, want: wire.RelayStatus_RELAY_STATUS_IDLE, at: time.Minute, sum: 30 * time.Second},
		"too long":     {limits: relay.Limits{Lifetime: time.Hour}, feed: true, want: wire.RelayStatus_RELAY_STATUS_TIME, at: time.Hour},
		"one is deaf":  {limits: relay.Limits{StallTimeout: time.Minute}, feed: true, deaf: true, want: wire.RelayStatus_RELAY_STATUS_STALLED, at: time.Minute, sum: 30 * time.Second},
		"bytes at all": {limits: relay.Limits{IdleTimeout: time.Minute, Lifetime: 10 * time.Minute}, feed: true, want: wire.RelayStatus_RELAY_STATUS_TIME, at: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				words := make(chan word, 2)
				s := relay.NewServer(relay.Config{Limits: c.limits, Over: func(o relay.Owner, a wire.AttemptID, status wire.RelayStatus) {
					words <- word{o, a, status}
				}})
				go s.Serve(t.Context())
				began := time.Now()
				a, b := piped(t, s, ticket(1, dialer)), piped(t, s, ticket(1, callee))
				if !c.deaf {
					go io.Copy(io.Discard, a)
					go io.Copy(io.Discard, b)
				}
				if c.feed {
					go func() {
						tick := time.NewTicker(10 * time.Second)
						defer tick.Stop()
						for t.Context().Err() == nil {
							if _, err := a.Write([]byte("tick")); err != nil {
								return
							}
							select {
							case <-tick.C:
							case <-t.Context().Done():
							}
						}
					}()
				}
				if c.deaf {
					go io.Copy(io.Discard, a) // b reads only the server's answer
					go b.Read(nil)
					io.ReadFull(b.NetConn(), make([]byte, 1))
				}
				got := <-words
				if took := time.Since(began); got.status != c.want || took < c.at || took > c.at+c.sum {
					t.Errorf("%v after %v, want %v after %v to %v", got.status, took, c.want, c.at, c.at+c.sum)
				}
				a.Close()
				b.Close()
				<-words
			})
		})
	}
}

// piped enters over a pipe instead of a socket.
func piped(t *testing.T, s *relay.Server, k relay.Ticket) *relay.Conn {
	near, far := net.Pipe()
	go s.Take(far, nil)
	c, err := relay.Enter(near, wire.RelayHello{Attempt: k.Attempt, Token: s.Token(k)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
