//go:build unix

package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// checkOwned refuses a directory that someone else may have laid out for us, as anybody can below /tmp.
func checkOwned(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no node runs there
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("%s %w (%d); the control socket is not safe there", dir, ErrForeign, owner.Uid)
	}
	return nil
}

// listen binds below a directory that only the owner can enter, and moves the socket to its place when its mode is
// right: so there is no moment at which others could connect, whatever the umask and the mode of the home are.
func listen(path string) (net.Listener, error) {
	nursery, err := os.MkdirTemp(filepath.Dir(path), ".ctl") // mode 0700
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(nursery)
	born := filepath.Join(nursery, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: born, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would look for the name it was born with
	if err := errors.Join(os.Chmod(born, 0o600), os.Rename(born, path)); err != nil {
		l.Close()
		return nil, err
	}
	return &published{Listener: l, path: path}, nil
}

// published is a listener whose socket was moved to path.
type published struct {
	net.Listener
	path string
}

func (p *published) Close() error {
	err := p.Listener.Close()
	if err != nil {
		return err // closed before: the path may be another's by now
	}
	return os.Remove(p.path)
}
