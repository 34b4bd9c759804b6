package netwatch

import (
	"errors"
	"os"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
	"golang.org/x/sys/unix"
)

// listen returns a channel that holds an element when the routing socket (route(4)) told something. Which message it was does not
// matter: all are about links, addresses and routes.
func listen(within netspace.Space) (events <-chan struct{}, stop func(), err error) {
	var socket *os.File
	err = within.Do(func() error {
		fd, err := unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, unix.AF_UNSPEC)
		if err != nil {
			return err
		}
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil { // so that Close ends a Read
			unix.Close(fd)
			return err
		}
		socket = os.NewFile(uintptr(fd), "route")
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	told, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 2048)
		for {
			if _, err := socket.Read(buffer); errors.Is(err, os.ErrClosed) {
				return
			} else if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return
			}
			select {
			case told <- struct{}{}:
			default:
			}
		}
	}()
	return told, func() { socket.Close(); <-ended }, nil
}
