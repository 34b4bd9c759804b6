package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// ErrNoProof means that a TLS peer showed no certificate by which a room, or a server, vouches for it.
var ErrNoProof = errors.New("identity: peer's certificate proves nothing")

// maxCertificate bounds a certificate in bytes: ours have 226, and a server keeps one for each connection.
const maxCertificate = 512

// newCertificate returns the certificate by which issuer says that it knows the holder of key. Nothing in it
// depends on the time or on chance, so one node has one certificate for each room.
//
// It is valid from 2000 to 9999, "no well-defined expiration" in RFC 5280, 4.1.2.5, because membership ends with the
// room and not with a date, and because machines without a clock of their own start in 1970 or 2000.
// Nobody here compares it with a clock; crypto/tls does so before it resumes a session.
func newCertificate(key Key, issuer ed25519.PrivateKey) (tls.Certificate, error) {
	if key.private == nil || issuer == nil {
		return tls.Certificate{}, errors.New("identity: no key or no room given")
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		// The issuer is named by its key alone; both distinguished names stay empty.
		AuthorityKeyId: issuer.Public().(ed25519.PublicKey),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.private.Public(), issuer)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("identity: make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key.private}, nil
}

// readCertificate returns whose key the only certificate in certs carries and which key signed it. One signature
// check replaces x509's building of chains, which needs names, times and usages that ours do not have.
func readCertificate(certs []*x509.Certificate) (subject, issuer ed25519.PublicKey, err error) {
	if subject, issuer, err = certified(certs); err != nil {
		return nil, nil, err
	}
	if !ed25519.Verify(issuer, certs[0].RawTBSCertificate, certs[0].Signature) {
		return nil, nil, fmt.Errorf("%w: wrong signature", ErrNoProof)
	}
	return subject, issuer, nil
}

// certified returns what a certificate says, without proof.
func certified(certs []*x509.Certificate) (subject, issuer ed25519.PublicKey, err error) {
	if len(certs) != 1 || certs[0] == nil {
		return nil, nil, fmt.Errorf("%w: %d certificates in place of one", ErrNoProof, len(certs))
	}
	leaf := certs[0]
	if len(leaf.Raw) > maxCertificate {
		return nil, nil, fmt.Errorf("%w: %d bytes are too many", ErrNoProof, len(leaf.Raw))
	}
	subject, ok := leaf.PublicKey.(ed25519.PublicKey)
	if !ok || len(subject) != ed25519.PublicKeySize || leaf.SignatureAlgorithm != x509.PureEd25519 {
		return nil, nil, fmt.Errorf("%w: key and signature must be Ed25519", ErrNoProof)
	}
	issuer = ed25519.PublicKey(leaf.AuthorityKeyId)
	if len(issuer) != ed25519.PublicKeySize {
		return nil, nil, fmt.Errorf("%w: it does not name its issuer", ErrNoProof)
	}
	return subject, issuer, nil
}

// Authenticated returns which node is at the other end of a connection, and of which room it proved to be a member.
// It looks only at state, so that it says the same of a resumed session as of the one before. Whether that node and
// that room may come in is the caller's question, to be asked for each connection anew.
//
// A resumed session brings the certificate in a ticket, which the server sealed after it had checked the signature:
// it is not checked again, which would add 60 µs to some 300 and guard only against a thief of the ticket keys.
//
// The error is ErrNoProof, also for a server's end: a server is in no room.
func Authenticated(state tls.ConnectionState) (NodeID, RoomID, error) {
	read := readCertificate
	if state.DidResume {
		read = certified
	}
	subject, issuer, err := read(state.PeerCertificates)
	if err != nil {
		return NodeID{}, RoomID{}, err
	}
	if issuer.Equal(subject) {
		return NodeID{}, RoomID{}, fmt.Errorf("%w: a server is in no room", ErrNoProof)
	}
	return NodeID(subject), RoomID(issuer), nil
}
