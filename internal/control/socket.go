package control

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/bodkin-p2p/bodkin/internal/sockerr"
)

// ErrForeign tells that the directory of a socket is somebody else's.
var ErrForeign = errors.New("belongs to another user")

// maxPath is the longest path a socket can have: sun_path has 104 bytes on macOS and the BSDs, 108 on Linux and Windows,
// of which one ends it and 16 may be needed for the name before it is published.
const maxPath = 104 - 1 - 16

// socketPath returns where the node of a home has its socket: control.sock in the home, or, where that path would be
// too long for a socket, a name made of the home's path in a private directory below the system's temporary one
// (TMPDIR, which must then be the same for the node and the commands), or below /tmp where that is too long as well.
func socketPath(home string) (string, error) {
	home, err := filepath.Abs(home)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(home, "control.sock"); len(path) <= maxPath {
		return path, nil
	}
	if resolved, err := filepath.EvalSymlinks(home); err == nil {
		home = resolved
	}
	sum := sha256.Sum256([]byte(home))
	for _, temp := range []string{os.TempDir(), "/tmp"} {
		path := filepath.Join(temp, fmt.Sprintf("bodkin-%d", os.Getuid()), hex.EncodeToString(sum[:6])+".sock")
		if len(path) <= maxPath {
			return path, nil
		}
	}
	return "", fmt.Errorf("the paths of the home (%s) and of the temporary directory (%s) are both too long for a socket: at most %d bytes", home, os.TempDir(), maxPath)
}

// Listen makes the control socket of a home. The caller holds the home's lock, so a socket that is there already is the
// leftover of a node that died, and is replaced. Closing the listener removes the socket. The error satisfies errors.Is(err,
// [errors.ErrUnsupported]) where the system has no such sockets: Windows before 10, version 1803.
func Listen(home string) (net.Listener, error) {
	path, err := socketPath(home)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := checkOwned(path); err != nil {
		return nil, err
	}
	l, err := listen(path)
	if sockerr.IsUnsupported(err) {
		err = fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return l, err
}
