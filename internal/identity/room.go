package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
)

// SecretSize is the length of a room's secret in bytes.
const SecretSize = 16

// SealOverhead is how many bytes [Room.Seal] adds: a nonce of 12 and a tag of 16.
const SealOverhead = 12 + 16

// ErrSealed means that a sealed profile is damaged, or belongs to another node or another room.
var ErrSealed = errors.New("identity: sealed profile cannot be opened")

// A Room is a set of nodes that share a secret and may see and reach each other.
// Whoever has the Room is a member and can make others so. Its methods are safe for
// concurrent use. The zero Room is not valid.
type Room struct {
	secret  [SecretSize]byte
	signer  ed25519.PrivateKey // signs the certificates of members
	profile []byte             // the key from which each node's profile key is derived
	names   []byte             // the HMAC key of name tags
}

// NewRoom makes a room with a random secret.
func NewRoom() (Room, error) {
	var secret [SecretSize]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return Room{}, err
	}
	return RoomFromSecret(secret), nil
}

// RoomFromSecret returns the room that has this secret: the same one for everybody.
func RoomFromSecret(secret [SecretSize]byte) Room {
	return Room{
		secret:  secret,
		signer:  ed25519.NewKeyFromSeed(derive(secret[:], "room key")),
		profile: derive(secret[:], "profiles"),
		names:   derive(secret[:], "names"),
	}
}

// derive returns the 32-byte key that serves the purpose.
func derive(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "bodkin/1 "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths above 255 hashes, or where FIPS mode forbids secrets this short
	}
	return key
}

// ID returns the room's public name.
func (r Room) ID() RoomID { return RoomID(r.signer.Public().(ed25519.PublicKey)) }

// Secret returns what every member knows and nobody else may. Keep it in files made by [WriteFile].
func (r Room) Secret() [SecretSize]byte { return r.secret }

// String returns the room's id, so that a room in a log line is no secret told.
func (r Room) String() string { return r.ID().String() }

// GoString is String, for the same reason.
func (r Room) GoString() string { return "identity.Room(" + r.String() + ")" }

// LogValue is String, for the same reason.
func (r Room) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Seal encrypts plain, what the node id tells the room about itself, for the eyes of members.
// The result is SealOverhead bytes longer, differs each time, and opens only for the same id. It
// proves that a member wrote it, not which one: the server vouches for that when it passes
// on what an authenticated node sent, so members trust each other and the server not to conspire.
func (r Room) Seal(id NodeID, plain []byte) []byte {
	return r.sealer(id).Seal(nil, nil, plain, id[:])
}

// Open undoes [Room.Seal]. It returns ErrSealed if sealed was not sealed for id by a member of this room.
func (r Room) Open(id NodeID, sealed []byte) ([]byte, error) {
	plain, err := r.sealer(id).Open(nil, nil, sealed, id[:])
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// sealer returns AES-256-GCM with random nonces under a key of the node's own, so the limit of
// 2^32 messages a key (NIST SP 800-38D, 8.3) is met by each node by itself: once a second for 136 years.
func (r Room) sealer(id NodeID) cipher.AEAD {
	return newSealer(derive(r.profile, "profile of "+string(id[:])))
}

// newSealer returns AES-256-GCM with random nonces under a key of 32 bytes.
func newSealer(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for keys of other lengths
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for other ciphers
	}
	return aead
}

// NameTag returns what stands for a name where the server can see it. Names that differ only in
// case or in surrounding white space have the same tag. Without the room's secret a tag tells nothing of the name.
func (r Room) NameTag(name string) [16]byte {
	mac := hmac.New(sha256.New, r.names)
	mac.Write([]byte(strings.ToLower(strings.TrimSpace(name))))
	return [16]byte(mac.Sum(nil))
}
