package wire

import (
	"crypto/hmac"
	"crypto/sha256"
)

// PrefaceLen is the length of a preface in bytes.
const PrefaceLen = 22

// prefaceMagic begins every preface. Its first byte is not that of a TLS record (0x16), so the two can be told apart.
const prefaceMagic = "bdkn"

// A Preface is the first thing both ends send on a connection between nodes, in the clear and without waiting for
// each other:
//
//	4 bytes  "bdkn"
//	1 byte   version, 1
//	1 byte   kind, 'P' for a punched connection, 'N' for the proof of a mapped port
//	16 bytes attempt id, or the challenge of the proof
//
// It proves nothing. It tells an acceptor which attempt, and so which TLS role, a connection belongs to, and keeps
// strangers from costing more than a read: no handshake begins without the id of a live attempt.
//
// On a connection that proves a mapped port only the server sends a preface. The node answers with [Answer].
type Preface struct {
	Kind      PrefaceKind // zero: Punched
	Attempt   AttemptID   // of a punched connection
	Challenge [ProofLen]byte
}

// PrefaceKind tells what a connection to a node's port is for.
type PrefaceKind uint8

// The kinds of prefaces.
const (
	Punched PrefaceKind = iota // by a peer, for an attempt
	Proof                      // by the server, to see whether it reaches the node there
)

const (
	prefaceVersion = 1
	prefacePunched = 'P'
	prefaceProof   = 'N'
)

// Answer is what proves that the node which said key to the server is at the end of a connection that brought the challenge: the
// first 16 bytes of HMAC-SHA-256. Who merely sits at that endpoint, or on the path, cannot make it.
func Answer(key, challenge []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("bodkin mapped port"))
	mac.Write(challenge)
	return mac.Sum(nil)[:ProofLen]
}

// Append appends p as sent.
func (p Preface) Append(b []byte) []byte {
	b = append(b, prefaceMagic...)
	if p.Kind == Proof {
		b = append(b, prefaceVersion, prefaceProof)
		return append(b, p.Challenge[:]...)
	}
	b = append(b, prefaceVersion, prefacePunched)
	return append(b, p.Attempt[:]...)
}

// ParsePreface reads a preface. Any b that is not exactly one is ErrMalformed.
func ParsePreface(b []byte) (Preface, error) {
	var p Preface
	switch {
	case len(b) != PrefaceLen:
		return p, malformed("preface of %d bytes, not %d", len(b), PrefaceLen)
	case string(b[:4]) != prefaceMagic:
		return p, malformed("not a Bodkin node: connection begins with %q", b[:4])
	case b[4] == prefaceVersion && b[5] == prefaceProof:
		p.Kind = Proof
		copy(p.Challenge[:], b[6:])
		return p, nil
	case b[4] != prefaceVersion || b[5] != prefacePunched:
		return p, malformed("preface of version %d, kind %q: the other node is newer or older", b[4], b[5])
	}
	copy(p.Attempt[:], b[6:])
	return p, nil
}
