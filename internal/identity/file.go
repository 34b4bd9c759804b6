package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// ErrFileExposed means that a file with a secret can be read by others than its owner.
var ErrFileExposed = errors.New("others can read it")

// maxFile bounds what is read of a file: ours are far smaller.
const maxFile = 64 << 10

// WriteFile writes data to path so that only the owner can read it, and so that whoever
// reads path, even after a crash, finds the old content or the new, never part of one. It makes missing
// directories, readable by the owner alone. A symbolic link at path is replaced.
func WriteFile(path string, data []byte) error {
	return place(path, data, rename)
}

// createFile is WriteFile for a file that must not exist yet: if it does, the error is fs.ErrExist.
func createFile(path string, data []byte) error {
	return place(path, data, func(temp, path string) error {
		err := os.Link(temp, path) // the one portable step that is atomic and never replaces
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		// No hard links here (exFAT, some network drives): who comes second may then find an
		// unfinished file for an instant, and is told that it is damaged.
		return writeNew(path, data)
	})
}

// place writes data to a temporary file beside path and has it moved there by publish.
func place(path string, data []byte, publish func(temp, path string) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	if err = finish(temp, data); err == nil {
		err = publish(temp.Name(), path)
	}
	if left := os.Remove(temp.Name()); !errors.Is(left, fs.ErrNotExist) { // a rename leaves nothing
		err = errors.Join(err, left)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return finish(f, data)
}

// finish writes data to f, to the disk, and closes f.
func finish(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the new name in dir survive a crash. Windows keeps names by itself and cannot sync a directory.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		err = nil // some file systems have nothing to sync
	}
	return errors.Join(err, d.Close())
}

// ReadFile reads a small file that holds a secret. It refuses one that others can read (ErrFileExposed;
// Windows guards files by the folder's access list, which is not looked at), one that is not a regular file, and one over 64 KiB.
func ReadFile(path string) ([]byte, error) {
	f, err := OpenToRead(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s: %w (mode %#o). If nobody has read it, run: chmod 600 %q. Otherwise remove it to start anew",
			path, ErrFileExposed, info.Mode().Perm(), path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s: %d bytes are too many for this kind of file", path, info.Size())
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// ReadOrCreate returns the content of path, as ReadFile does, and creates it with fresh content if there is no such file.
// Of several processes that create it at once, one succeeds and all return what that one wrote.
func ReadOrCreate(path string, fresh func() ([]byte, error)) ([]byte, error) {
	data, err := ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	if data, err = fresh(); err != nil {
		return nil, err
	}
	err = createFile(path, data)
	if errors.Is(err, fs.ErrExist) {
		return ReadFile(path)
	}
	return data, err
}
