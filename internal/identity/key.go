package identity

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// ErrKeyDamaged means that a key file is there but its content is not what was written.
// It is never replaced by a new key: that would change who the machine is without a word.
var ErrKeyDamaged = errors.New("the key file is damaged")

// A Key is the private key of a node or of a server: whoever has it is that node or server.
// Its methods are safe for concurrent use. The zero Key is not valid.
type Key struct{ private ed25519.PrivateKey }

// IsZero tells whether k is the zero Key, which is none.
func (k Key) IsZero() bool { return k.private == nil }

// NewKey makes a random key.
func NewKey() (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return Key{private}, err
}

// LoadOrCreateKey reads the key in the file path or, if there is no such file, makes a key and keeps it
// there, readable by the owner alone. Processes that start at once end with the same key.
// A damaged file (ErrKeyDamaged) and one that others can read (ErrFileExposed) are refused and left as they are.
func LoadOrCreateKey(path string) (Key, error) {
	data, err := ReadOrCreate(path, func() ([]byte, error) {
		key, err := NewKey()
		return key.file(), err
	})
	if err != nil {
		return Key{}, fmt.Errorf("key file: %w", err)
	}
	key, err := parseKeyFile(data)
	if err != nil {
		return Key{}, fmt.Errorf("key file %s: %w. Restore it, or remove it to get a new identity", path, err)
	}
	return key, nil
}

// file returns the content of the key's file: the seed of RFC 8032 as upper-case bech32m,
// so that damage shows and that it looks like the secret it is.
func (k Key) file() []byte {
	if k.private == nil {
		return nil
	}
	return fmt.Appendf(nil, "# Secret: whoever has this key is this node or server.\n%s\n",
		strings.ToUpper(encode(secretPrefix, k.private.Seed())))
}

// parseKeyFile reads what file wrote: one key, blank lines, and comments from # to the end of the line.
func parseKeyFile(data []byte) (Key, error) {
	var text string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			text += line
		}
	}
	if strings.TrimSpace(text) == "" {
		return Key{}, fmt.Errorf("%w: there is no key in it", ErrKeyDamaged)
	}
	seed, err := parse(secretPrefix, text)
	if err != nil || len(seed) != ed25519.SeedSize {
		// Not the details: a hint of how to mend a secret has no place in a log.
		return Key{}, fmt.Errorf("%w: its checksum does not match", ErrKeyDamaged)
	}
	return Key{ed25519.NewKeyFromSeed(seed)}, nil
}

// NodeID returns the name of the node that has this key. The zero Key has the zero id.
func (k Key) NodeID() NodeID { return NodeID(k.public()) }

// ServerID returns the name of the server that has this key. The zero Key has the zero id.
func (k Key) ServerID() ServerID { return ServerID(k.public()) }

func (k Key) public() (public [ed25519.PublicKeySize]byte) {
	if k.private != nil {
		copy(public[:], k.private.Public().(ed25519.PublicKey))
	}
	return public
}

// Derive returns a secret for another purpose, which tells nothing of the key or of those for other purposes: 32 bytes of HKDF-SHA-256 over the seed.
// The zero Key has none.
func (k Key) Derive(purpose string) []byte {
	if k.private == nil {
		return nil
	}
	secret, err := hkdf.Key(sha256.New, k.private.Seed(), nil, purpose, sha256.Size)
	if err != nil {
		panic(err) // only for lengths beyond what the hash can give
	}
	return secret
}

// String names the node, so that a Key in a log line is no secret told.
func (k Key) String() string { return "key of " + k.NodeID().String() }

// GoString is String, for the same reason.
func (k Key) GoString() string { return "identity.Key(" + k.String() + ")" }

// LogValue is String, for the same reason.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
