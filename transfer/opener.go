package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// An opener opens the files of a source one after the other, of which most are in the directory of the one before.
type opener struct {
	source *Source
	dir    int // index of the directory that is open; none if none is
	root   *os.Root
}

func newOpener(s *Source) *opener { return &opener{source: s, dir: none} }

// open opens a file, if it is still as it was listed.
func (o *opener) open(index int) (*os.File, error) {
	e := &o.source.tree.entries[index]
	var f *os.File
	var err error
	if e.parent == none {
		f, err = os.Open(o.source.topOf(index).path)
	} else {
		if err := o.enter(e.parent); err != nil {
			return nil, err
		}
		f, err = o.root.OpenFile(e.name, os.O_RDONLY|nonblock, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.source.where(index), whatFailed(err))
	}
	if err := o.unchanged(f, index); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// unchanged tells whether an open file is still the one that was listed.
func (o *opener) unchanged(f *os.File, index int) error {
	e := &o.source.tree.entries[index]
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != e.size || !info.ModTime().Equal(e.time) {
		return fmt.Errorf("%s %w", o.source.where(index), ErrChanged)
	}
	return nil
}

// enter opens the directory of an entry.
func (o *opener) enter(dir int) error {
	if o.dir == dir {
		return nil
	}
	o.close()
	t := o.source.topOf(dir)
	root, err := os.OpenRoot(t.path)
	if err != nil {
		return err
	}
	if dir != t.index {
		sub, err := root.OpenRoot(o.source.inside(dir))
		root.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", o.source.where(dir), whatFailed(err))
		}
		root = sub
	}
	o.dir, o.root = dir, root
	return nil
}

func (o *opener) close() {
	if o.root != nil {
		o.root.Close()
	}
	o.dir, o.root = none, nil
}

// whatFailed is the reason in an error of the file system, whose path is part of one.
func whatFailed(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
