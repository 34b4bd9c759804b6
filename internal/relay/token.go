package relay

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A Ticket is what a token lets its holder do: be one side of one attempt, once.
type Ticket struct {
	Attempt wire.AttemptID
	Role    wire.Role
	Owner   Owner
}

// An Owner is whom a connection belongs to. The numbers are for the rendezvous server to choose.
type Owner struct {
	Node, Room uint64 // whose quotas it uses
	Connection uint64 // the main connection on which to tell its end
}

// tokens seals tickets, so that the server keeps nothing for them. They travel in the clear: an observer must learn nothing of node and room from
// them, hence sealed and not only signed.
type tokens struct{ aead cipher.AEAD }

var errToken = errors.New("relay: forged token")

// newTokens makes tokens with a key that lives as long as the process.
func newTokens() *tokens {
	var key [32]byte
	rand.Read(key[:]) // never fails
	return tokensOf(key[:])
}

// tokensOf makes tokens with a key of 32 bytes.
func tokensOf(key []byte) *tokens {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a key of 32 bytes is right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // good for 2^32 tokens: 500 a second for 99 days
	if err != nil {
		panic(err)
	}
	return &tokens{aead}
}

// issue makes a token of 61 bytes that is good until expires, by the clock of who issues and opens it.
func (t *tokens) issue(k Ticket, expires time.Duration) []byte {
	plain := make([]byte, 0, 33)
	plain = binary.BigEndian.AppendUint64(plain, uint64(expires))
	plain = append(plain, byte(k.Role))
	plain = binary.BigEndian.AppendUint64(plain, k.Owner.Node)
	plain = binary.BigEndian.AppendUint64(plain, k.Owner.Room)
	plain = binary.BigEndian.AppendUint64(plain, k.Owner.Connection)
	return t.aead.Seal(nil, nil, plain, k.Attempt[:])
}

// open returns what the token for attempt says.
func (t *tokens) open(h wire.RelayHello) (k Ticket, expires time.Duration, err error) {
	plain, err := t.aead.Open(nil, nil, h.Token, h.Attempt[:])
	if err != nil || len(plain) != 33 {
		return Ticket{}, 0, errToken
	}
	number := func(at int) uint64 { return binary.BigEndian.Uint64(plain[at:]) }
	return Ticket{
		Attempt: h.Attempt,
		Role:    wire.Role(plain[8]),
		Owner:   Owner{Node: number(9), Room: number(17), Connection: number(25)},
	}, time.Duration(number(0)), nil
}
