package transfer

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const (
	stagingPrefix = ".bodkin-"
	stagingSuffix = ".part"

	inTree = "tree" // in a staging directory: what has arrived
	inDone = "done" // in a staging directory: all of it is verified, and is being moved; holds the digest of the listing
	inLock = "lock" // in a staging directory: who uses it holds a lock on this

	// maxPartial is how many files of an earlier run may go on in their middle. As many as are written at once can be there
	// after one that was cut off.
	maxPartial = 8 * writers
)

// isStaging tells whether a name is that of a staging directory.
func isStaging(name string) bool {
	return strings.HasPrefix(name, stagingPrefix) && strings.HasSuffix(name, stagingSuffix)
}

// stagingName is the same for the same sender and the same names.
func stagingName(from string, o Offer) string {
	h := newHash()
	for _, text := range append([]string{from}, o.Names...) {
		h.Write(appendText(nil, text))
	}
	s := sumOf(h)
	return stagingPrefix + hex.EncodeToString(s[:6]) + stagingSuffix
}

// A stage is the staging directory of one transfer, and a store of what comes in it.
type stage struct {
	tree *tree
	dir  *os.Root // where everything goes
	name string   // of the staging directory in it
	root *os.Root // the staging directory
	into *os.Root // what has arrived
	lock *os.File

	finished bool // an earlier run had begun to move what it had
	present  map[int]bool
	offer    Offer
	folders  chan *folder // of the workers
}

// errLocked tells that another process uses a file.
var errLocked = errors.New("another bodkin is receiving the same into this directory")

// openStage makes or finds the staging directory, and holds it until close.
func openStage(path, from string, o Offer, t *tree) (*stage, error) {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	s := &stage{tree: t, dir: dir, name: stagingName(from, o), offer: o, present: map[int]bool{}, folders: make(chan *folder, writers)}
	if err := s.open(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) open() error {
	_, err := s.dir.Lstat(s.name)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		if err := s.free(); err != nil {
			return err
		}
		err = s.dir.Mkdir(s.name, 0o700)
	}
	if err != nil {
		return err
	}
	if info, err := s.dir.Lstat(s.name); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no directory: move it away: %w", s.name, ErrExists)
	}
	if err := s.dir.Chmod(s.name, 0o700); err != nil { // fails if it is somebody else's
		return err
	}
	if s.root, err = s.dir.OpenRoot(s.name); err != nil {
		return err
	}
	if s.lock, err = s.root.OpenFile(inLock, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := tryLock(s.lock); err != nil {
		return err
	}
	if err := s.root.Mkdir(inTree, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := s.root.Lstat(inDone); err == nil {
		s.finished = true
	} else if !fresh {
		if err := s.free(); err != nil {
			return err
		}
	}
	s.into, err = s.root.OpenRoot(inTree)
	return err
}

// free tells whether all names are free where everything goes.
func (s *stage) free() error {
	for _, name := range s.offer.Names {
		switch _, err := s.dir.Lstat(name); {
		case err == nil:
			return fmt.Errorf("%q %w in %s", name, ErrExists, s.dir.Name())
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

func (s *stage) prepare() ([]have, bool, error) {
	if s.finished {
		return s.goOn()
	}
	var haves []have
	w := sweeping{stage: s, haves: &haves}
	if err := w.sweep(s.into, none); err != nil {
		return nil, false, err
	}
	slices.SortFunc(haves, func(a, b have) int { return cmp.Compare(a.index, b.index) })
	if err := s.fits(haves); err != nil {
		return nil, false, err
	}
	return haves, false, s.makeDirectories()
}

// digest is of the listing: two transfers with the same one have the same content, as far as sizes and times tell.
func (s *stage) digest() sum {
	h := newHash()
	var b []byte
	for i := range s.tree.entries {
		b = appendEntry(b[:0], &s.tree.entries[i])
		h.Write(b)
	}
	return sumOf(h)
}

// goOn finishes what an earlier run had begun: to move what it had.
func (s *stage) goOn() ([]have, bool, error) {
	want := s.digest()
	text, err := s.root.ReadFile(inDone)
	if err != nil {
		return nil, false, err
	}
	if string(text) == hex.EncodeToString(want[:]) {
		return nil, true, nil
	}
	// It was of other files of these names: they get their names, and then these are taken.
	if err := s.move(); err != nil {
		return nil, false, err
	}
	s.remove()
	return nil, false, s.free()
}

// makeDirectories makes those that are not there.
func (s *stage) makeDirectories() error {
	at := newFolder(s.into, s.tree)
	defer at.close()
	for i := range s.tree.entries {
		if e := &s.tree.entries[i]; e.kind == kindDirectory && !s.present[i] {
			root, err := at.enter(e.parent)
			if err == nil {
				err = root.Mkdir(e.name, 0o700)
			}
			if err != nil {
				return s.differsInCase(i, err)
			}
		}
	}
	return nil
}

// differsInCase explains why something exists that was not there.
func (s *stage) differsInCase(index int, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%q differs from another name only in what this file system does not tell apart: %w", shorten(s.tree.path(index)), ErrExists)
	}
	return fmt.Errorf("%q: %w", shorten(s.tree.path(index)), whatFailed(err))
}

func (s *stage) left() string {
	if s.root == nil { // removed
		return ""
	}
	dir, err := s.into.Open(".")
	if err != nil {
		return ""
	}
	defer dir.Close()
	if found, _ := dir.ReadDir(1); len(found) == 0 {
		s.remove()
		return ""
	}
	return s.root.Name()
}

// remove takes the staging directory away.
func (s *stage) remove() {
	s.closeFiles()
	makeRemovable(s.dir, s.name)
	s.dir.RemoveAll(s.name)
}

func (s *stage) closeFiles() {
	for {
		select {
		case f := <-s.folders:
			f.close()
			continue
		default:
		}
		break
	}
	for _, root := range []*os.Root{s.into, s.root} {
		if root != nil {
			root.Close()
		}
	}
	if s.lock != nil {
		s.lock.Close()
	}
	s.into, s.root, s.lock = nil, nil, nil
}

func (s *stage) close() {
	s.closeFiles()
	s.dir.Close()
}
