package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestANodeHasOneCertificateInARoom(t *testing.T) {
	key, room := newKey(t), newRoom(t)
	first := mustCertificate(t, key, room.signer)[0].Certificate[0]
	if again := mustCertificate(t, key, room.signer)[0].Certificate[0]; !bytes.Equal(first, again) {
		t.Error("made again it is another")
	}
	if len(first) != 226 {
		t.Errorf("it has %d bytes", len(first))
	}
	cert, err := x509.ParseCertificate(first)
	if err != nil {
		t.Fatal(err)
	}
	if !cert.NotAfter.Equal(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)) {
		t.Errorf("it is valid until %v", cert.NotAfter)
	}
}

// The certificate of given keys is part of the protocol: another Go must not make another.
func TestCertificatesAreThoseOfTheProtocol(t *testing.T) {
	room := RoomFromSecret([SecretSize]byte{1})
	key := Key{RoomFromSecret([SecretSize]byte{2}).signer}
	sum := sha256.Sum256(mustCertificate(t, key, room.signer)[0].Certificate[0])
	if got := hex.EncodeToString(sum[:]); got != "428809ee2161f8304a996c0287357fa9791d6cd5e6ff1fc54e62379956499584" {
		t.Errorf("its SHA-256 is %s", got)
	}
}

func TestForgedCertificatesProveNothing(t *testing.T) {
	key, room, other := newKey(t), newRoom(t), newRoom(t)
	good := parse509(t, mustCertificate(t, key, room.signer)[0].Certificate[0])
	if id, in, err := Authenticated(stateOf(good)); id != key.NodeID() || in != room.ID() || err != nil {
		t.Fatalf("the good one: %v, %v, %v", id, in, err)
	}
	roomKey := room.ID()
	otherKey := other.ID()
	for name, certs := range map[string][]*x509.Certificate{
		"none":                    nil,
		"forgotten":               {nil},
		"two":                     {good, good},
		"signed by another room":  {forge(t, key, other.signer, roomKey[:], nil)},
		"no issuer named":         {forge(t, key, room.signer, nil, nil)},
		"issuer cut":              {forge(t, key, room.signer, roomKey[:31], nil)},
		"another issuer named":    {forge(t, key, room.signer, otherKey[:], nil)},
		"too large":               {forge(t, key, room.signer, roomKey[:], bytes.Repeat([]byte{1}, 300))},
		"signed by itself":        {parse509(t, mustCertificate(t, key, key.private)[0].Certificate[0])},
		"another kind of key":     {parse509(t, ecdsaCertificate(t)[0].Certificate[0])},
		"nothing but a structure": {{}},
	} {
		if id, in, err := Authenticated(tls.ConnectionState{PeerCertificates: certs}); !errors.Is(err, ErrNoProof) || !id.IsZero() || !in.IsZero() {
			t.Errorf("%s: got %v, %v, %v", name, id, in, err)
		}
	}
}

func TestNoChangedByteOfACertificatePasses(t *testing.T) {
	key, room := newKey(t), newRoom(t)
	der := mustCertificate(t, key, room.signer)[0].Certificate[0]
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 0x10
		cert, err := x509.ParseCertificate(changed)
		if err != nil {
			continue
		}
		if id, in, err := Authenticated(stateOf(cert)); err == nil {
			t.Errorf("byte %d changed: still proves %v in %v", i, id, in)
		}
	}
}

func FuzzAuthenticated(f *testing.F) {
	room := RoomFromSecret([SecretSize]byte{1})
	key := Key{RoomFromSecret([SecretSize]byte{2}).signer}
	f.Add(mustCertificate(f, key, room.signer)[0].Certificate[0])
	f.Add(mustCertificate(f, key, key.private)[0].Certificate[0])
	f.Add(ecdsaCertificate(f)[0].Certificate[0])
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		id, in, err := Authenticated(stateOf(cert))
		if err == nil && (in != room.ID() || id != key.NodeID()) {
			t.Errorf("forged: %v in %v", id, in)
		}
	})
}

func stateOf(cert *x509.Certificate) tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
}

func mustCertificate(tb testing.TB, key Key, issuer ed25519.PrivateKey) []tls.Certificate {
	tb.Helper()
	cert, err := newCertificate(key, issuer)
	if err != nil {
		tb.Fatal(err)
	}
	return []tls.Certificate{cert}
}

func addCertificate(config *tls.Config, der []byte) {
	config.Certificates[0].Certificate = append(config.Certificates[0].Certificate, der)
}

func parse509(tb testing.TB, der []byte) *x509.Certificate {
	tb.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

// forge makes a certificate for key, signed by signer, that names issuer and has some extra bytes.
func forge(t *testing.T, key Key, signer ed25519.PrivateKey, issuer, extra []byte) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), AuthorityKeyId: issuer, Subject: pkix.Name{CommonName: strings.Repeat("x", len(extra))}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.private.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return parse509(t, der)
}

// ecdsaCertificate is one as other programs have it.
func ecdsaCertificate(tb testing.TB) []tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), AuthorityKeyId: make([]byte, 32)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
}
