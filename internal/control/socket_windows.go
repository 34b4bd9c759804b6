package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
)

// checkOwned has nothing to do: the home and the temporary directory are in the user's profile, which others cannot open.
func checkOwned(string) error { return nil }

func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}
