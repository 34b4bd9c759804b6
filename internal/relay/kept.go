package relay

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// keptTokens seals tickets for later, also for after a restart of the server: with keys that follow from a lasting secret and the period in which a
// token was issued. A token is good for one period, so the keys of this one and of the one before open all that are. Times are of the Unix clock.
type keptTokens struct {
	secret []byte
	life   time.Duration // of a token, and the period of a key
	newest atomic.Pointer[periodTokens]
}

// periodTokens is the tokens of one period.
type periodTokens struct {
	period int64
	*tokens
}

// keptLabel is for what the keys of kept tokens are derived.
const keptLabel = "bodkin kept relay tokens"

// newKeptTokens makes them from a secret; with none from one that lives as long as the process.
func newKeptTokens(secret []byte, life time.Duration) *keptTokens {
	if len(secret) == 0 {
		secret = make([]byte, sha256.Size)
		rand.Read(secret) // never fails
	}
	return &keptTokens{secret: secret, life: life}
}

func (t *keptTokens) issue(k Ticket, now time.Time) []byte {
	expires := now.UnixNano() + int64(t.life)
	return t.of(t.period(now)).issue(k, time.Duration(expires))
}

// open returns what a token says, and how long it is still good for.
func (t *keptTokens) open(h wire.RelayHello, now time.Time) (k Ticket, left time.Duration, err error) {
	period := t.period(now)
	k, expires, err := t.of(period).open(h)
	if err != nil {
		k, expires, err = t.of(period - 1).open(h)
	}
	left = expires - time.Duration(now.UnixNano())
	if err != nil || left < 0 || left > t.life { // or the clock was set back: then it would be good for longer than was promised
		return Ticket{}, 0, errToken
	}
	return k, left, nil
}

func (t *keptTokens) period(now time.Time) int64 { return now.UnixNano() / int64(t.life) }

// of returns the tokens of a period, and remembers those of the newest.
func (t *keptTokens) of(period int64) *tokens {
	newest := t.newest.Load()
	if newest != nil && newest.period == period {
		return newest.tokens
	}
	key, err := hkdf.Key(sha256.New, t.secret, nil, keptLabel+string(binary.BigEndian.AppendUint64(nil, uint64(period))), 32)
	if err != nil {
		panic(err) // only for lengths beyond what the hash can give
	}
	made := &periodTokens{period, tokensOf(key)}
	if newest == nil || newest.period < period {
		t.newest.Store(made)
	}
	return made.tokens
}
