// Package record carries on a TLS 1.3 connection after crypto/tls has made its handshake, in a fraction of the memory.
//
// A [crypto/tls.Conn] keeps some 7 KiB for an idle connection: handshake buffers that never shrink, certificates and two
// expanded ciphers. What the connection needs from then on is 120 bytes a direction: key, nonce and a counter.
// [Server] makes the handshake with crypto/tls, which decides everything that there is to decide, and takes over its
// traffic secrets (by way of Config.KeyLogWriter). From then on a [Receiver] opens and a [Sender] seals the
// records of RFC 8446, section 5: application data, alerts and key updates.
//
// Neither does any I/O: bytes go in, bytes come out. So a reader may be a goroutine that waits, or none.
//
// A [Conn] is a [net.Conn] over both, for much data: few copies, and many records in one system call.
package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Content types and lengths of RFC 8446, sections 5.1 and 5.2.
const (
	typeAlert       = 21
	typeHandshake   = 22
	typeApplication = 23

	headerLen     = 5
	maxPlaintext  = 1 << 14
	maxCiphertext = maxPlaintext + 256
	minCiphertext = 1 + 16 // content type and tag
	nonceLen      = 12
)

// ErrBroken is wrapped by every error about bytes that are no legal record. The connection cannot go on.
var ErrBroken = errors.New("record: broken TLS record")

// keys protect one direction. They hold the bare key and not the cipher made from it, which is ten times as large and takes
// half a microsecond to make, once for each call and not for each record.
type keys struct {
	sequence uint64 // of the next record
	suite    uint16
	secret   [sha512.Size384]byte // traffic secret, the beginning of it in suites with SHA-256
	key      [32]byte             // the beginning of it in suites with a shorter key
	iv       nonce
}

func newKeys(suite uint16, secret []byte) (keys, error) {
	k := keys{suite: suite}
	if len(secret) != k.hashLen() {
		return k, fmt.Errorf("record: secret of %d bytes for %s", len(secret), tls.CipherSuiteName(suite))
	}
	copy(k.secret[:], secret)
	return k, k.derive()
}

func (k *keys) hashLen() int {
	if k.suite == tls.TLS_AES_256_GCM_SHA384 {
		return sha512.Size384
	}
	return sha256.Size
}

func (k *keys) keyLen() int {
	if k.suite == tls.TLS_AES_128_GCM_SHA256 {
		return 16
	}
	return 32
}

// derive sets key and nonce from the secret (RFC 8446, section 7.3) and starts their count.
func (k *keys) derive() error {
	key, err := k.expand("key", k.keyLen())
	if err != nil {
		return err
	}
	iv, err := k.expand("iv", nonceLen)
	if err != nil {
		return err
	}
	copy(k.key[:], key)
	copy(k.iv[:], iv)
	k.sequence = 0
	return nil
}

// update goes on to the next secret (RFC 8446, section 7.2).
func (k *keys) update() error {
	next, err := k.expand("traffic upd", k.hashLen())
	if err != nil {
		return err
	}
	copy(k.secret[:], next)
	return k.derive()
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
func (k *keys) expand(label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(info, byte(len(label)))
	info = append(info, label...)
	info = append(info, 0)
	if k.suite == tls.TLS_AES_256_GCM_SHA384 {
		return hkdf.Expand(sha512.New384, k.secret[:k.hashLen()], string(info), length)
	}
	return hkdf.Expand(sha256.New, k.secret[:k.hashLen()], string(info), length)
}

func (k *keys) aead() (cipher.AEAD, error) {
	key := k.key[:k.keyLen()]
	if k.suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// A nonce is memory for one, which would be allocated for each record otherwise.
type nonce [nonceLen]byte

// next is the nonce of the next record (RFC 8446, section 5.3), and counts it.
func (n *nonce) next(k *keys) []byte {
	*n = k.iv
	low := n[nonceLen-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^k.sequence)
	k.sequence++
	return n[:]
}

// seal appends one record to dst.
func (k *keys) seal(dst []byte, aead cipher.AEAD, n *nonce, kind byte, payload []byte) []byte {
	length := len(payload) + 1 + aead.Overhead()
	start := len(dst)
	dst = append(dst, typeApplication, 3, 3, byte(length>>8), byte(length))
	dst = append(dst, payload...)
	dst = append(dst, kind)
	header, inner := dst[start:start+headerLen], dst[start+headerLen:]
	return aead.Seal(dst[:start+headerLen], n.next(k), inner, header)
}

// sealInner is seal for content with its type behind it, which is elsewhere.
func (k *keys) sealInner(dst []byte, aead cipher.AEAD, n *nonce, inner []byte) []byte {
	length := len(inner) + aead.Overhead()
	start := len(dst)
	dst = append(dst, typeApplication, 3, 3, byte(length>>8), byte(length))
	return aead.Seal(dst, n.next(k), inner, dst[start:])
}

// open returns what a whole record holds, in the same memory.
func (k *keys) open(aead cipher.AEAD, record []byte) (kind byte, payload []byte, err error) {
	return k.openInto(record[headerLen:headerLen], aead, new(nonce), record)
}

// openInto is open into other memory, which has room for all of the record but header and tag.
func (k *keys) openInto(to []byte, aead cipher.AEAD, n *nonce, record []byte) (kind byte, payload []byte, err error) {
	header, sealed := record[:headerLen], record[headerLen:]
	inner, err := aead.Open(to, n.next(k), sealed, header)
	if err != nil {
		return 0, nil, broken("not sealed with the key of this connection")
	}
	for i := len(inner) - 1; i >= 0; i-- { // zeros behind the type are padding
		if inner[i] != 0 {
			if i > maxPlaintext {
				return 0, nil, broken("content of %d bytes", i)
			}
			return inner[i], inner[:i], nil
		}
	}
	return 0, nil, broken("no content type")
}

// length returns the length of the record that begins with header, with its header.
func length(header []byte) (int, error) {
	n := int(binary.BigEndian.Uint16(header[3:]))
	if header[0] != typeApplication || header[1] != 3 || header[2] != 3 {
		return 0, broken("header % x", header[:headerLen])
	}
	if n < minCiphertext || n > maxCiphertext {
		return 0, broken("length %d", n)
	}
	return headerLen + n, nil
}

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBroken, fmt.Sprintf(format, args...))
}
