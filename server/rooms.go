package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// Files of a server's home.
const (
	keyFile        = "server.key"
	ticketsFile    = "tickets"
	advertisedFile = "advertised"
	lockFile       = "server.lock"
	roomsFolder    = "rooms" // one file a room: its name, and in it the secret in hexadecimal
)

// DefaultRoom is the room that a server makes at its first start.
const DefaultRoom = "default"

const (
	// roomsReread is how often a room nobody knows makes the server look for new ones on disk.
	roomsReread = time.Second
	// roomsStale is for how long the server takes what it knows for true: a room may have another secret by now.
	roomsStale = 5 * time.Second
)

// rooms is the rooms that a server serves: the files of a folder, which `bodkin invite` may add to, and change, while it runs.
type rooms struct {
	folder string

	mu    sync.Mutex
	names map[string]identity.RoomID
	ids   map[identity.RoomID]bool // of names
	read  time.Time
}

// openRooms reads the rooms of a home, and makes the first one.
func openRooms(home string) (*rooms, error) {
	r := &rooms{folder: filepath.Join(home, roomsFolder)}
	if _, err := r.open(DefaultRoom); err != nil {
		return nil, err
	}
	return r, r.reread(time.Now())
}

// open returns the room with a name, and makes it if there is none. Of several processes that make it at once all get
// the same room.
func (r *rooms) open(name string) (identity.Room, error) {
	if err := CheckRoomName(name); err != nil {
		return identity.Room{}, err
	}
	path := filepath.Join(r.folder, name)
	text, err := identity.ReadOrCreate(path, newSecret) // a replaced secret would void invites handed out
	if err != nil {
		return identity.Room{}, err
	}
	return parseRoom(path, text)
}

// renew gives the room with a name another secret, which voids the invites handed out.
func (r *rooms) renew(name string) (identity.Room, error) {
	if err := CheckRoomName(name); err != nil {
		return identity.Room{}, err
	}
	path := filepath.Join(r.folder, name)
	switch _, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
		return identity.Room{}, fmt.Errorf("room %q: %w", name, ErrNoRoom)
	case err != nil:
		return identity.Room{}, err
	}
	text, err := newSecret()
	if err == nil {
		err = identity.WriteFile(path, text)
	}
	if err != nil {
		return identity.Room{}, err
	}
	return parseRoom(path, text)
}

// newSecret is what a new room's file holds.
func newSecret() ([]byte, error) {
	room, err := identity.NewRoom()
	secret := room.Secret()
	return []byte(hex.EncodeToString(secret[:]) + "\n"), err
}

// served tells whether the server serves a room.
func (r *rooms) served(id identity.RoomID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !r.ids[id] && now.Sub(r.read) >= roomsReread || now.Sub(r.read) >= roomsStale {
		r.rereadLocked(now) // an unreadable file must not shut out the rooms of the others
	}
	return r.ids[id]
}

func (r *rooms) reread(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rereadLocked(now)
}

func (r *rooms) rereadLocked(now time.Time) error {
	r.read = now
	files, err := os.ReadDir(r.folder)
	if err != nil {
		return err
	}
	names, ids := map[string]identity.RoomID{}, map[identity.RoomID]bool{}
	var errs []error
	for _, file := range files {
		if CheckRoomName(file.Name()) != nil {
			continue // a temporary file of a writer, or something of the owner's
		}
		room, err := readRoom(filepath.Join(r.folder, file.Name()))
		id, known := r.names[file.Name()] // what cannot be read now has not become another room by that
		if err == nil {
			id, known = room.ID(), true
		} else {
			errs = append(errs, err)
		}
		if known {
			names[file.Name()], ids[id] = id, true
		}
	}
	r.names, r.ids = names, ids
	return errors.Join(errs...)
}

func readRoom(path string) (identity.Room, error) {
	text, err := identity.ReadFile(path)
	if err != nil {
		return identity.Room{}, err
	}
	return parseRoom(path, text)
}

// parseRoom reads text, which is what the file at path holds.
func parseRoom(path string, text []byte) (identity.Room, error) {
	var secret [16]byte
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != len(secret) {
		return identity.Room{}, fmt.Errorf("room file %s is damaged: want %d hexadecimal digits; restore it, or remove it and hand out new invites", path, 2*len(secret))
	}
	copy(secret[:], b)
	return identity.RoomFromSecret(secret), nil
}

// CheckRoomName tells what is wrong with the name of a room: they are held to what is safe as a file name everywhere.
func CheckRoomName(name string) error {
	ok := name != "" && len(name) <= 63 && strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) < 0
	if !ok {
		return fmt.Errorf("room name %q: want 1 to 63 lower-case letters, digits and hyphens", name)
	}
	return nil
}
