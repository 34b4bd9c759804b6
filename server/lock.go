package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// ErrHomeInUse tells that a server of this or another process has the home open: two would void each other's ticket
// keys, and the second would make invites name its own addresses.
var ErrHomeInUse = errors.New("another server runs with this home")

// lockHome makes this server the only one of a home until unlock, or until the process ends. The file is not the one
// that locks a node's home: a node may share the folder.
func lockHome(home string) (unlock func() error, err error) {
	path := filepath.Join(home, lockFile)
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("%w: %s", ErrHomeInUse, home)
	}
	return lock.Unlock, nil
}
