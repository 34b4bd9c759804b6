package wire

// PrefaceLen is the length of a preface in bytes.
const PrefaceLen = 22

// prefaceMagic begins every preface. Its first byte is not that of a TLS record (0x16), so the two can be told apart.
const prefaceMagic = "bdkn"

// A Preface is the first thing both ends send on a connection between nodes, in the clear and without waiting for
// each other:
//
//	4 bytes  "bdkn"
//	1 byte   version, 1
//	1 byte   kind, 'P' for a punched connection
//	16 bytes attempt id
//
// It proves nothing. It tells an acceptor which attempt, and so which TLS role, a connection belongs to, and keeps
// strangers from costing more than a read: no handshake begins without the id of a live attempt.
type Preface struct {
	Attempt AttemptID
}

const (
	prefaceVersion = 1
	prefacePunched = 'P'
)

// Append appends p as sent.
func (p Preface) Append(b []byte) []byte {
	b = append(b, prefaceMagic...)
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
	case b[4] != prefaceVersion || b[5] != prefacePunched:
		return p, malformed("preface of version %d, kind %q: the other node is newer or older", b[4], b[5])
	}
	copy(p.Attempt[:], b[6:])
	return p, nil
}
