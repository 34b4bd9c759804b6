package identity

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// TicketKeyPeriod is how long new tickets are made with one key.
	TicketKeyPeriod = 84 * time.Hour
	// ticketKeysKept is how many keys there are at most. A ticket is handed out once, when a connection begins, and is used when that
	// connection ends, which may be days later. TLS 1.3 allows seven days (RFC 8446, 4.6.1): two periods and the one that runs.
	ticketKeysKept = 3
)

// ErrTicketsDamaged means that a file of ticket keys is there but its content is not what was written. To remove
// it costs each node one full handshake.
var ErrTicketsDamaged = errors.New("the file of ticket keys is damaged")

// TicketKeys are the keys with which a server seals session tickets, kept in a file so that nodes resume their
// sessions after a restart. Whoever has them can pass for any node that was connected, or for the server, for
// a week; the past traffic stays closed, since each resumption has its own key exchange. Safe for concurrent use.
type TicketKeys struct {
	path string

	mu   sync.Mutex
	keys []ticketKey // newest first, never empty
}

type ticketKey struct {
	Created time.Time `json:"created"`
	Key     []byte    `json:"key"` // 32 bytes
}

// LoadOrCreateTicketKeys reads the keys in the file path, makes them if there is no such file, and
// rotates them if that is due at now. A damaged file is refused (ErrTicketsDamaged) and left as it is.
func LoadOrCreateTicketKeys(path string, now time.Time) (*TicketKeys, error) {
	data, err := ReadOrCreate(path, func() ([]byte, error) { return json.Marshal([]ticketKey{newTicketKey(now)}) })
	if err != nil {
		return nil, fmt.Errorf("ticket keys: %w", err)
	}
	t := &TicketKeys{path: path}
	if t.keys, err = parseTicketKeys(data); err != nil {
		return nil, fmt.Errorf("ticket keys %s: %w. Remove it: nodes will then make full handshakes once", path, err)
	}
	_, err = t.Rotate(now)
	return t, err
}

func newTicketKey(now time.Time) ticketKey {
	key := ticketKey{now.UTC().Truncate(time.Second), make([]byte, 32)}
	rand.Read(key.Key) // never fails
	return key
}

func parseTicketKeys(data []byte) ([]ticketKey, error) {
	var keys []ticketKey
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTicketsDamaged, err)
	}
	if len(keys) == 0 || len(keys) > ticketKeysKept {
		return nil, fmt.Errorf("%w: it has %d keys", ErrTicketsDamaged, len(keys))
	}
	for _, k := range keys {
		if len(k.Key) != 32 {
			return nil, fmt.Errorf("%w: a key of %d bytes", ErrTicketsDamaged, len(k.Key))
		}
	}
	return keys, nil
}

// Rotate makes a new key if the newest has served for TicketKeyPeriod at now, forgets the oldest, and writes the file.
// It tells whether it did; [TicketKeys.Apply] is then to be called. To call it once an hour is often enough.
// If the file cannot be written, the keys stay as they were.
func (t *TicketKeys) Rotate(now time.Time) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !rotationDue(t.keys[0].Created, now) {
		return false, nil
	}
	keys := append([]ticketKey{newTicketKey(now)}, t.keys...)
	keys = keys[:min(len(keys), ticketKeysKept)]
	data, err := json.Marshal(keys)
	if err == nil {
		err = WriteFile(t.path, data)
	}
	if err != nil {
		return false, fmt.Errorf("rotate ticket keys: %w", err)
	}
	t.keys = keys
	return true, nil
}

// rotationDue also holds for a key from the future, made while the clock was wrong, which would otherwise serve until then.
func rotationDue(created, now time.Time) bool {
	age := now.Sub(created)
	return age >= TicketKeyPeriod || age <= -TicketKeyPeriod
}

// Apply makes config seal tickets with the newest key and open those of all. The config may be in use.
func (t *TicketKeys) Apply(config *tls.Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([][32]byte, 0, ticketKeysKept)
	for _, k := range t.keys {
		keys = append(keys, [32]byte(k.Key))
	}
	config.SetSessionTicketKeys(keys)
}
