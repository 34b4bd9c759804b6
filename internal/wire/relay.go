package wire

// A RelayHello is the first thing a node sends on a relayed connection, in the clear: a preface of another kind, and the
// token of the introduction behind its length.
//
//	4 bytes  "bdkn"
//	1 byte   version, 1
//	1 byte   kind, 'R' for a relayed connection
//	16 bytes attempt id
//	1 byte   length of the token, 16..64
//	n bytes  token
//
// The server answers one byte, a [RelayStatus]. After RELAY_STATUS_READY the bytes are those of the other node, as over a
// punched connection; after any other the server closes. The node need not wait for the answer before it goes on.
type RelayHello struct {
	Attempt AttemptID
	Token   []byte
}

// RelayHelloHead is the length of a RelayHello without its token: that of what tells how long the rest is.
const RelayHelloHead = PrefaceLen + 1

// PrefaceFirst is the first byte of every preface and RelayHello. That of a TLS connection is 0x16.
const PrefaceFirst byte = 'b'

const prefaceRelayed = 'R'

// Append appends h as sent. Its token must have a legal length.
func (h RelayHello) Append(b []byte) []byte {
	b = append(b, prefaceMagic...)
	b = append(b, prefaceVersion, prefaceRelayed)
	b = append(b, h.Attempt[:]...)
	b = append(b, byte(len(h.Token)))
	return append(b, h.Token...)
}

// ParseRelayHelloHead reads the first RelayHelloHead bytes and tells how many of the token follow.
func ParseRelayHelloHead(b []byte) (attempt AttemptID, token int, err error) {
	switch {
	case len(b) != RelayHelloHead:
		return attempt, 0, malformed("relay hello of %d bytes before its token, not %d", len(b), RelayHelloHead)
	case string(b[:4]) != prefaceMagic || b[4] != prefaceVersion || b[5] != prefaceRelayed:
		return attempt, 0, malformed("relay hello begins with %q", b[:6])
	}
	copy(attempt[:], b[6:])
	token = int(b[PrefaceLen])
	return attempt, token, between("relay hello: token", token, MinTokenLen, MaxTokenLen)
}

// ParseRelayHello reads a whole RelayHello. Any b that is not exactly one is ErrMalformed. The token is a part of b.
func ParseRelayHello(b []byte) (RelayHello, error) {
	if len(b) < RelayHelloHead {
		return RelayHello{}, malformed("relay hello of %d bytes", len(b))
	}
	attempt, token, err := ParseRelayHelloHead(b[:RelayHelloHead])
	if err != nil {
		return RelayHello{}, err
	}
	if len(b) != RelayHelloHead+token {
		return RelayHello{}, malformed("relay hello of %d bytes, with a token of %d", len(b), token)
	}
	return RelayHello{Attempt: attempt, Token: b[RelayHelloHead:]}, nil
}
