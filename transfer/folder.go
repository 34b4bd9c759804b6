package transfer

import (
	"io"
	"os"
)

// A folder is a directory of a tree that is kept open: most files are in the one of the file before. The tree begins in
// root, which stays the caller's.
type folder struct {
	root *os.Root
	tree *tree
	at   int      // index of the directory that is open; none for root
	here *os.Root // root if at is none
}

func newFolder(root *os.Root, t *tree) *folder {
	return &folder{root: root, tree: t, at: none, here: root}
}

// enter returns the directory at index, which is valid until the next enter.
func (f *folder) enter(index int) (*os.Root, error) {
	if f.at == index {
		return f.here, nil
	}
	f.close()
	if index == none {
		return f.root, nil
	}
	here, err := f.root.OpenRoot(f.tree.path(index))
	if err != nil {
		return nil, err
	}
	f.at, f.here = index, here
	return here, nil
}

func (f *folder) close() {
	if f.at != none {
		f.here.Close()
	}
	f.at, f.here = none, f.root
}

// borrow takes a folder that no other worker uses.
func (s *stage) borrow() *folder {
	select {
	case f := <-s.folders:
		return f
	default:
		return newFolder(s.into, s.tree)
	}
}

func (s *stage) giveBack(f *folder) {
	select {
	case s.folders <- f:
	default:
		f.close()
	}
}

// create opens the file of an entry, which nobody else does at the same time.
func (s *stage) create(index int, offset int64) (file, error) {
	e := &s.tree.entries[index]
	at := s.borrow()
	f, err := s.createIn(at, index, offset)
	if err != nil {
		s.giveBack(at)
		return nil, s.differsInCase(index, err)
	}
	if offset > 0 && offset < e.size {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			f.Close()
			s.giveBack(at)
			return nil, err
		}
	}
	return &stagedFile{File: f, stage: s, at: at, entry: e}, nil
}

func (s *stage) createIn(at *folder, index int, offset int64) (*os.File, error) {
	e := &s.tree.entries[index]
	dir, err := at.enter(e.parent)
	if err != nil {
		return nil, err
	}
	if offset == 0 {
		if s.present[index] { // it turned out to be another
			if err := dir.Remove(e.name); err != nil {
				return nil, err
			}
		}
		return dir.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err := dir.Chmod(e.name, 0o600); err != nil { // a complete one has its own mode already
		return nil, err
	}
	return dir.OpenFile(e.name, os.O_WRONLY, 0)
}

// read opens what there is of a file.
func (s *stage) read(index int) (*os.File, error) {
	e := &s.tree.entries[index]
	at := s.borrow()
	defer s.giveBack(at)
	dir, err := at.enter(e.parent)
	if err != nil {
		return nil, err
	}
	if err := dir.Chmod(e.name, 0o600); err != nil {
		return nil, err
	}
	return dir.Open(e.name)
}

// A stagedFile is a file of a stage that is being written.
type stagedFile struct {
	*os.File
	stage *stage
	at    *folder
	entry *entry
}

// finish closes the file.
func (f *stagedFile) finish(keep bool) error {
	defer f.stage.giveBack(f.at)
	if !keep {
		return f.Close()
	}
	if keepsModes {
		if err := f.Chmod(f.entry.mode); err != nil {
			f.Close()
			return err
		}
	}
	if err := f.Close(); err != nil { // where some file systems tell of a full disk
		return err
	}
	dir, err := f.at.enter(f.entry.parent)
	if err != nil {
		return err
	}
	return dir.Chtimes(f.entry.name, f.entry.time, f.entry.time)
}
