package transfer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// commit gives everything that has arrived its own name. A run that is killed in its middle leaves a note by which the next
// one finishes.
func (s *stage) commit() error {
	if !s.finished {
		if err := s.complete(); err != nil {
			return local(err)
		}
		if err := s.free(); err != nil {
			return err
		}
		digest := s.digest()
		if err := s.note(hex.EncodeToString(digest[:])); err != nil {
			return local(err)
		}
	}
	err := s.move()
	if err == nil {
		err = s.finishTops()
	}
	if err != nil {
		s.root.Remove(inDone) // it is all still there, for a run after what is in the way has gone
		return local(err)
	}
	return nil
}

// note says in the staging directory that everything is verified.
func (s *stage) note(text string) error {
	const draft = inDone + ".new"
	if err := s.root.WriteFile(draft, []byte(text), 0o600); err != nil {
		return err
	}
	return s.root.Rename(draft, inDone)
}

// complete makes links, and gives directories their modes and times, the innermost first.
func (s *stage) complete() error {
	at := newFolder(s.into, s.tree)
	defer at.close()
	for i := range s.tree.entries {
		e := &s.tree.entries[i]
		if e.kind != kindLink || !staysInside(e.target, e.depth) {
			continue
		}
		dir, err := at.enter(e.parent)
		if err == nil {
			err = dir.Symlink(filepath.FromSlash(e.target), e.name)
		}
		if err != nil {
			return s.differsInCase(i, err)
		}
	}
	for i := len(s.tree.entries) - 1; i >= 0; i-- {
		if e := &s.tree.entries[i]; e.kind == kindDirectory && e.parent != none {
			dir, err := at.enter(e.parent)
			if err == nil {
				err = dress(dir, e)
			}
			if err != nil {
				return fmt.Errorf("%q: %w", shorten(s.tree.path(i)), whatFailed(err))
			}
		}
	}
	return nil
}

// dress gives a directory its mode and time.
func dress(in *os.Root, e *entry) error {
	if err := in.Chtimes(e.name, e.time, e.time); err != nil || !keepsModes {
		return err
	}
	return in.Chmod(e.name, e.mode)
}

// move moves what is at the top of the staging directory to where everything goes. What is not there any more was moved by
// a run before.
func (s *stage) move() error {
	for _, name := range s.offer.Names {
		from := filepath.Join(s.name, inTree, name)
		info, err := s.dir.Lstat(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = s.moveDirectory(from, name)
		} else {
			err = s.moveFile(from, name, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveDirectory renames a directory. No system replaces a directory that has something in it.
func (s *stage) moveDirectory(from, to string) error {
	if _, err := s.dir.Lstat(to); err == nil {
		return fmt.Errorf("%q %w in %s", to, ErrExists, s.dir.Name())
	}
	return s.dir.Rename(from, to)
}

// moveFile gives a file a second name, which fails if that is taken, and then takes the first one away.
func (s *stage) moveFile(from, to string, info fs.FileInfo) error {
	err := s.dir.Link(from, to)
	switch {
	case err == nil:
		return s.dir.Remove(from)
	case errors.Is(err, fs.ErrExist):
		if there, e := s.dir.Lstat(to); e == nil && os.SameFile(there, info) {
			return s.dir.Remove(from) // a run before was killed between the two
		}
		return fmt.Errorf("%q %w in %s", to, ErrExists, s.dir.Name())
	}
	// A file system without second names: look, then rename.
	if _, err := s.dir.Lstat(to); err == nil {
		return fmt.Errorf("%q %w in %s", to, ErrExists, s.dir.Name())
	}
	return s.dir.Rename(from, to)
}

// finishTops gives the directories at the top their modes and times: a directory that its owner cannot write cannot be
// moved.
func (s *stage) finishTops() error {
	for i := range s.tree.entries {
		if e := &s.tree.entries[i]; e.kind == kindDirectory && e.parent == none {
			if err := dress(s.dir, e); err != nil {
				return err
			}
		}
	}
	return nil
}
