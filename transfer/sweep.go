package transfer

import (
	"io/fs"
	"os"
)

// sweeping looks through what an earlier run left: what is in the listing is kept, everything else is removed.
type sweeping struct {
	*stage
	haves   *[]have
	partial int
}

func (w *sweeping) sweep(root *os.Root, parent int) error {
	found, err := entries(root)
	if err != nil {
		return err
	}
	for _, f := range found {
		index, listed := w.tree.names[place{parent, f.Name()}]
		info, err := f.Info()
		if err != nil {
			return err
		}
		if !listed || !w.keep(index, info) {
			if err := w.discard(root, f); err != nil {
				return err
			}
			continue
		}
		w.present[index] = true
		if !info.IsDir() {
			continue
		}
		root.Chmod(f.Name(), 0o700) // an earlier run may have given it its own mode
		sub, err := root.OpenRoot(f.Name())
		if err != nil {
			return err
		}
		err = w.sweep(sub, index)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// keep decides about one that is in the listing.
func (w *sweeping) keep(index int, info fs.FileInfo) bool {
	e := &w.tree.entries[index]
	switch {
	case e.kind == kindDirectory:
		return info.IsDir()
	case e.kind != kindFile || !info.Mode().IsRegular() || info.Size() > e.size || info.Size() == 0:
		return false
	case info.Size() < e.size:
		if w.partial++; w.partial > maxPartial {
			return false
		}
	}
	*w.haves = append(*w.haves, have{index, info.Size()})
	return true
}

// discard removes what is not wanted, whatever its modes are.
func (w *sweeping) discard(root *os.Root, f fs.DirEntry) error {
	if f.IsDir() {
		makeRemovable(root, f.Name())
	}
	return root.RemoveAll(f.Name())
}

// makeRemovable gives the owner all rights to a directory and those in it.
func makeRemovable(root *os.Root, name string) {
	if root.Chmod(name, 0o700) != nil {
		return
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return
	}
	defer sub.Close()
	fs.WalkDir(sub.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." {
			sub.Chmod(path, 0o700)
		}
		return nil
	})
}
