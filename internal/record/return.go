package record

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"hash"
	"io"
	"net"
)

// A Secret is what both ends of a connection share beside its traffic keys: with it they can make another one between them in which
// both may speak at once, without a handshake. It tells nothing of the keys of the connection that it is of. The zero Secret is none.
type Secret struct {
	suite uint16
	key   [sha256.Size]byte
}

// AttemptLen is the length of what names an attempt to come back.
const AttemptLen = 16

// Labels under which things are derived from a secret.
const (
	exporterLabel = "EXPORTER-bodkin-return"
	attemptLabel  = "bodkin return attempt"
	nextLabel     = "bodkin return next"
	dialerLabel   = "bodkin return dialer"
	calleeLabel   = "bodkin return callee"
)

// secretOf exports the secret of a TLS connection (RFC 8446, section 7.5).
func secretOf(state tls.ConnectionState) (Secret, error) {
	key, err := state.ExportKeyingMaterial(exporterLabel, nil, sha256.Size)
	if err != nil {
		return Secret{}, err
	}
	return Secret{state.CipherSuite, [sha256.Size]byte(key)}, nil
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// Attempt names the attempt to come back by this secret, alike at both ends. Who sees it learns nothing of the secret.
func (s Secret) Attempt() [AttemptLen]byte {
	return [AttemptLen]byte(expandSecret(sha256.New, s.key[:], attemptLabel, AttemptLen))
}

// Next is the secret of the connection that an attempt by this one has made. It does not lead back to this one.
func (s Secret) Next(attempt [AttemptLen]byte) Secret {
	return Secret{s.suite, [sha256.Size]byte(expandSecret(sha256.New, s.key[:], nextLabel+string(attempt[:]), sha256.Size))}
}

// traffic is the keys of one direction. Each side draws the nonce of its own: no two connections have the same keys.
func (s Secret) traffic(fromDialer bool, attempt [AttemptLen]byte, nonce [returnNonceLen]byte) (keys, error) {
	label := calleeLabel
	if fromDialer {
		label = dialerLabel
	}
	of := func() hash.Hash { return sha256.New() }
	if s.suite == tls.TLS_AES_256_GCM_SHA384 {
		of = sha512.New384
	}
	k := keys{suite: s.suite}
	return newKeys(s.suite, expandSecret(of, s.key[:], label+string(attempt[:])+string(nonce[:]), k.hashLen()))
}

func expandSecret(of func() hash.Hash, key []byte, info string, length int) []byte {
	b, err := hkdf.Expand(of, key, info, length)
	if err != nil {
		panic("record: " + err.Error()) // only for lengths beyond what the hash can give
	}
	return b
}

// What each side of a returned connection says first, in the clear: magic and version, then its nonce. Records follow.
const (
	returnMagic    = "bdkr\x01"
	returnNonceLen = 32
	returnLen      = len(returnMagic) + returnNonceLen
)

// A Returned is a connection between two ends that share a secret. What is written leaves at once, behind the nonce of this side. What is
// read has come from the other end, and was made for this attempt: the first record shows it, or Read fails with [ErrBroken]. Somebody who has
// copied what the other end sent in this attempt can repeat it on another connection, to the byte, and read nothing.
type Returned struct {
	*Conn
	secret  Secret
	attempt [AttemptLen]byte
	dialer  bool
	met     bool // the other side's nonce is read. Guarded by the only reader
	refused error
}

// Return makes a connection between two ends that share a secret, one of which is the dialer. It sends nothing by itself; conn belongs to
// what it returns. One goroutine at a time may read until the first bytes have come.
func (s Secret) Return(conn net.Conn, attempt [AttemptLen]byte, dialer bool) (*Returned, error) {
	var nonce [returnNonceLen]byte
	rand.Read(nonce[:]) // never fails
	c := &Conn{Conn: &announcing{Conn: conn, header: append([]byte(returnMagic), nonce[:]...)}}
	c.in.from.use(conn)
	var err error
	if c.out.keys, err = s.traffic(dialer, attempt, nonce); err != nil {
		return nil, err
	}
	if c.out.aead, err = c.out.keys.aead(); err != nil {
		return nil, err
	}
	c.secret = s.Next(attempt)
	return &Returned{Conn: c, secret: s, attempt: attempt, dialer: dialer}, nil
}

// Read is [Conn.Read].
func (r *Returned) Read(p []byte) (int, error) {
	if err := r.meet(); err != nil {
		return 0, err
	}
	return r.Conn.Read(p)
}

// ReadInto is [Conn.ReadInto].
func (r *Returned) ReadInto(p []byte) (int, error) {
	if err := r.meet(); err != nil {
		return 0, err
	}
	return r.Conn.ReadInto(p)
}

// meet reads the nonce of the other side, once.
func (r *Returned) meet() error {
	if r.met || r.refused != nil {
		return r.refused
	}
	if r.refused = r.readNonce(); r.refused == nil {
		r.met = true
	}
	return r.refused
}

func (r *Returned) readNonce() error {
	var b [returnLen]byte
	if _, err := io.ReadFull(r.Conn.Conn, b[:]); err != nil {
		return err
	}
	if string(b[:len(returnMagic)]) != returnMagic {
		return broken("% x instead of a returned connection", b[:len(returnMagic)])
	}
	k, err := r.secret.traffic(!r.dialer, r.attempt, [returnNonceLen]byte(b[len(returnMagic):]))
	if err != nil {
		return err
	}
	aead, err := k.aead()
	if err != nil {
		return err
	}
	r.in.Lock()
	defer r.in.Unlock()
	r.in.keys, r.in.aead = k, aead
	return nil
}

// An announcing connection sends a header in front of the first bytes, with them.
type announcing struct {
	net.Conn
	header []byte // nil once it is sent. Guarded by whoever writes
}

func (a *announcing) Write(p []byte) (int, error) {
	if a.header == nil {
		return a.Conn.Write(p)
	}
	b := append(a.header, p...)
	a.header = nil
	n, err := a.Conn.Write(b)
	return max(0, n-returnLen), err
}

// NetConn returns the connection below.
func (a *announcing) NetConn() net.Conn { return a.Conn }

// Secret is for the next connection between the two ends.
func (c *Conn) Secret() Secret { return c.secret }
