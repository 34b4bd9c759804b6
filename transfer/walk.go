package transfer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// A Source is what is to be sent. [Open] or [Stream] makes one. It may be sent again after a Send that failed, unless it is
// a stream.
type Source struct {
	tree   tree
	tops   []top // of tree's entries at the top, in their order
	stream io.Reader
	// LeftOut are files that cannot be sent, by path: sockets, devices, named pipes, and links that lead outside of the
	// directory that is sent, for which no place at the receiver is safe.
	LeftOut []string
}

// A top is where an entry at the top is on this machine.
type top struct {
	index int // of the entry
	path  string
}

// Open lists what is at paths: files, directories with all that is in them, in any order. A path that is a symbolic link is
// followed; links inside directories are sent as links. Nothing is read yet, and nothing is kept open.
//
// Errors: those of the file system, and of what no transfer takes: too many files, two paths with one name at their end,
// a path that is neither file nor directory.
func Open(paths ...string) (*Source, error) {
	if len(paths) == 0 || len(paths) > MaxNames {
		return nil, fmt.Errorf("transfer: %d paths: want 1 to %d", len(paths), MaxNames)
	}
	s := &Source{}
	for _, path := range paths {
		if err := s.addTop(path); err != nil {
			return nil, err
		}
	}
	s.tree.names = nil // only for the listing
	return s, nil
}

// Stream is a source of one file, whose content is read from r until its end. It can be sent once. If r is an io.Closer, a
// transfer that fails closes it, to wake a Read.
func Stream(name string, r io.Reader) (*Source, error) {
	s := &Source{stream: r}
	if err := s.tree.add(entry{kind: kindStream, parent: none, name: name, mode: 0o644, time: time.Now(), size: unknownSize}); err != nil {
		return nil, fmt.Errorf("transfer: %w", err)
	}
	s.tops = []top{{index: 0}}
	return s, nil
}

// interrupt wakes who reads a stream that has not ended.
func (s *Source) interrupt() {
	if c, ok := s.stream.(io.Closer); ok {
		c.Close()
	}
}

// Offer tells what is in the source.
func (s *Source) Offer() Offer {
	o := Offer{Files: s.tree.files, Bytes: s.tree.bytes, Stream: s.stream != nil}
	for _, t := range s.tops {
		o.Names = append(o.Names, s.tree.entries[t.index].name)
	}
	for i := range s.tree.entries {
		switch s.tree.entries[i].kind {
		case kindDirectory:
			o.Directories++
		case kindLink:
			o.Links++
		}
	}
	return o
}

// addTop lists what is at path.
func (s *Source) addTop(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Lstat(real)
	if err != nil {
		return err
	}
	e := entry{parent: none, name: name, mode: info.Mode().Perm(), time: info.ModTime()}
	switch {
	case info.Mode().IsRegular():
		e.kind, e.size = kindFile, info.Size()
	case info.IsDir():
		e.kind = kindDirectory
	default:
		return fmt.Errorf("%s is neither a file nor a directory", path)
	}
	if err := s.tree.add(e); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	index := len(s.tree.entries) - 1
	s.tops = append(s.tops, top{index, real})
	if e.kind != kindDirectory {
		return nil
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return err
	}
	defer root.Close()
	return s.addDirectory(root, index, path)
}

// entries is what is in a directory, in no order.
func entries(root *os.Root) ([]fs.DirEntry, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.ReadDir(-1)
}

// addDirectory lists what is in a directory, which is the entry at index and at path for words.
func (s *Source) addDirectory(root *os.Root, index int, path string) error {
	found, err := entries(root)
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, f := range found {
		if err := s.addFound(root, index, filepath.Join(path, f.Name()), f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) addFound(root *os.Root, parent int, path string, f fs.DirEntry) error {
	info, err := f.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since the directory was read: as if it had never been there
	}
	if err != nil {
		return err
	}
	e := entry{parent: parent, name: f.Name(), mode: info.Mode().Perm(), time: info.ModTime()}
	switch {
	case info.Mode().IsRegular():
		e.kind, e.size = kindFile, info.Size()
	case info.IsDir():
		e.kind = kindDirectory
	case info.Mode().Type() == fs.ModeSymlink:
		e.kind = kindLink
		target, err := root.Readlink(f.Name())
		if err != nil {
			return err
		}
		if e.target = filepath.ToSlash(target); !staysInside(e.target, s.tree.entries[parent].depth+1) {
			s.LeftOut = append(s.LeftOut, path)
			return nil
		}
	default:
		s.LeftOut = append(s.LeftOut, path)
		return nil
	}
	if err := s.tree.add(e); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if e.kind != kindDirectory {
		return nil
	}
	sub, err := root.OpenRoot(f.Name())
	if err != nil {
		return err
	}
	defer sub.Close()
	return s.addDirectory(sub, len(s.tree.entries)-1, path)
}

// topOf finds where the entry at the top above an entry is.
func (s *Source) topOf(index int) top {
	at, _ := slices.BinarySearchFunc(s.tops, index+1, func(t top, i int) int { return cmp.Compare(t.index, i) })
	return s.tops[at-1]
}

// where is the path of an entry on this machine, for words.
func (s *Source) where(index int) string {
	t := s.topOf(index)
	if t.index == index {
		return t.path
	}
	return filepath.Join(t.path, s.inside(index))
}

// inside is the path of an entry below its top.
func (s *Source) inside(index int) string {
	path := s.tree.path(index)
	return path[len(s.tree.entries[s.topOf(index).index].name)+1:]
}

// keepsModes tells whether permissions mean on this system what they mean elsewhere.
const keepsModes = runtime.GOOS != "windows"
