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

// roomsReread is how often a room nobody knows makes the server look for new ones on disk.
const roomsReread = time.Second

// rooms is the rooms that a server serves: the files of a folder, which `bodkin invite` may add to while it runs.
type rooms struct {
	folder string

	mu   sync.Mutex
	ids  map[identity.RoomID]bool
	read time.Time
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
	if err := checkRoomName(name); err != nil {
		return identity.Room{}, err
	}
	path := filepath.Join(r.folder, name)
	text, err := identity.ReadOrCreate(path, func() ([]byte, error) { // a replaced secret would void invites handed out
		room, err := identity.NewRoom()
		secret := room.Secret()
		return []byte(hex.EncodeToString(secret[:]) + "\n"), err
	})
	if err != nil {
		return identity.Room{}, err
	}
	return parseRoom(path, text)
}

// served tells whether the server serves a room.
func (r *rooms) served(id identity.RoomID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !r.ids[id] && now.Sub(r.read) >= roomsReread {
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
	ids := map[identity.RoomID]bool{}
	var errs []error
	for _, file := range files {
		if checkRoomName(file.Name()) != nil {
			continue // a temporary file of a writer, or something of the owner's
		}
		room, err := readRoom(filepath.Join(r.folder, file.Name()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ids[room.ID()] = true
	}
	r.ids = ids
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

// checkRoomName holds room names to what is safe as a file name everywhere.
func checkRoomName(name string) error {
	ok := name != "" && len(name) <= 63 && strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) < 0
	if !ok {
		return fmt.Errorf("room name %q: want 1 to 63 lower-case letters, digits and hyphens", name)
	}
	return nil
}
