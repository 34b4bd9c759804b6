package record

import (
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const canTry = true

// readNow reads without waiting.
func readNow(fd uintptr, p []byte) (n int, empty bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch err {
		case nil:
			return n, false, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, err
		}
	}
}

// setThreshold has a socket count as readable when it has n bytes, or its end. It is only to save work: if it fails, one byte is enough.
func setThreshold(fd uintptr, n int) {
	syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n)
}

// canWait tells whether a socket can wait for many bytes: a kernel before 4.18 may have no room for them, and does not wake who waits when it is to be
// for fewer.
var canWait = sync.OnceValue(func() bool {
	var system unix.Utsname
	return unix.Uname(&system) == nil && waitsWell(unix.ByteSliceToString(system.Release[:]))
})

// waitsWell is canWait of a kernel by its version.
func waitsWell(release string) bool {
	var major, minor int
	_, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return err == nil && (major > 4 || major == 4 && minor >= 18)
}
