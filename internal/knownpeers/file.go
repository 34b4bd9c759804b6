// Package knownpeers keeps in a file which node goes by which name in a room, so that a name stays with the node that this machine
// met first under it.
//
// The file is text, one name a line, for people to read and to edit:
//
//	ben node1qpzry9x8gf2tvdw0s3jn54khce6mua7l... room1qpzry9x8gf2tvdw0s3jn54khce6mua7l... 2026-11-23
//
// Lines of other rooms stay as they are. Any number of processes may use one file: a change is made under a lock and moved to its
// place as a whole, and everybody sees it at the next question.
package knownpeers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// MaxPeers is how many lines a file may have, of all rooms.
const MaxPeers = 4096

// maxFile bounds what is read of a file: MaxPeers of the longest lines, and as much of comments.
const maxFile = 2 << 20

// lockTimeout is how long a change waits for those of other processes, which take milliseconds.
const lockTimeout = 3 * time.Second

// lockRetry is how often the lock is tried meanwhile.
const lockRetry = 5 * time.Millisecond

// coarseClock is how fast two changes of a file may follow each other with one time of change: two seconds on FAT.
const coarseClock = 2 * time.Second

var (
	// ErrUnknown tells that a name to be forgotten is not in the file.
	ErrUnknown = errors.New("no such name is known")
	// ErrFull tells that a file has no room for another name.
	ErrFull = fmt.Errorf("%d names are known already, which is the most", MaxPeers)
	// ErrWritable tells that others than the owner may write to a file.
	ErrWritable = errors.New("others may write to it")
)

// A File is the names of one room. Its methods are safe for concurrent use.
type File struct {
	path string
	room identity.RoomID

	mu    sync.Mutex // guards the following, which is what the file had when it was read last
	state fs.FileInfo
	fresh bool // no change can have gone unseen
	peers []Peer
}

// Open returns the names of a room in the file at path, which need not be there yet. It reads nothing.
func Open(path string, room identity.RoomID) *File { return &File{path: path, room: room} }

// Lookup returns whose a name is; the zero NodeID if nobody was met under it. It costs one look at the file's time of change, if
// nothing has changed.
func (f *File) Lookup(name string) (identity.NodeID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refresh(); err != nil {
		return identity.NodeID{}, err
	}
	if i := f.find(name); i >= 0 {
		return f.peers[i].ID, nil
	}
	return identity.NodeID{}, nil
}

// Remember gives a name to a node, if it is nobody's yet, and returns whose it is. It writes to the disk if that is news.
func (f *File) Remember(name string, id identity.NodeID) (owner identity.NodeID, err error) {
	if owner, err = f.Lookup(name); err != nil || !owner.IsZero() {
		return owner, err
	}
	err = f.change(func() error {
		if i := f.find(name); i >= 0 { // by another process
			owner = f.peers[i].ID
			return errNoChange
		}
		if len(f.peers) >= MaxPeers {
			return fmt.Errorf("%s: %w", f.path, ErrFull)
		}
		owner = id
		f.peers = append(f.peers, Peer{Name: name, ID: id, Room: f.room, Since: time.Now()})
		return nil
	})
	return owner, err
}

// Forget lets a name be anybody's again, and returns whose it was.
func (f *File) Forget(name string) (was Peer, err error) {
	err = f.change(func() error {
		i := f.find(name)
		if i < 0 {
			return ErrUnknown
		}
		was = f.peers[i]
		f.peers = slices.Delete(f.peers, i, i+1)
		return nil
	})
	return was, err
}

// All returns those who are known in the room, by name.
func (f *File) All() ([]Peer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refresh(); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Clone(f.peers), func(p Peer) bool { return p.Room != f.room })
	slices.SortFunc(all, byName)
	return all, nil
}

// find returns where a name is; -1 if it is not there. The caller holds mu.
func (f *File) find(name string) int {
	return slices.IndexFunc(f.peers, func(p Peer) bool { return p.Name == name && p.Room == f.room })
}

var errNoChange = errors.New("nothing to change")

// change has alter change peers, and writes them. If alter fails nothing changes.
func (f *File) change(alter func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	lock := flock.New(f.path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer lock.Unlock()
	if err := f.refresh(); err != nil {
		return err
	}
	before := slices.Clone(f.peers)
	err := alter()
	if err == nil {
		err = identity.WriteFile(f.path, format(f.peers))
	}
	if err != nil {
		f.peers = before
	} else {
		f.state = nil // so that it is read again
	}
	if err == errNoChange {
		return nil
	}
	return err
}

// refresh reads the file if it may have changed. The caller holds mu.
func (f *File) refresh() error {
	state, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.state, f.peers = nil, nil
		return nil
	}
	if err != nil {
		return err
	}
	if f.fresh && f.state != nil && os.SameFile(f.state, state) && f.state.ModTime().Equal(state.ModTime()) && f.state.Size() == state.Size() {
		return nil
	}
	return f.read()
}

func (f *File) read() error {
	f.state = nil
	file, err := identity.OpenToRead(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	state, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !state.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", f.path)
	case runtime.GOOS != "windows" && state.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s: %w (mode %#o)", f.path, ErrWritable, state.Mode().Perm())
	case state.Size() > maxFile:
		return fmt.Errorf("%s: %d bytes are too many", f.path, state.Size())
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return err
	}
	peers, err := parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.peers, f.state = peers, state
	f.fresh = time.Since(state.ModTime()) > coarseClock
	return nil
}
