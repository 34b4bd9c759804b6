package record

import (
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const canTry = true

// readNow reads without waiting.
func readNow(fd uintptr, p []byte) (n int, empty bool, err error) { return now(readOnce, fd, p) }

// writeNow writes as much as there is room for, without waiting.
func writeNow(fd uintptr, p []byte) (n int, full bool, err error) { return now(writeOnce, fd, p) }

// now makes a call that moves bytes, or tells that it would wait.
func now(once func(uintptr, []byte) (int, syscall.Errno), fd uintptr, p []byte) (n int, waits bool, err error) {
	for {
		n, number := once(fd, p)
		switch number {
		case 0:
			return n, false, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, number
		}
	}
}

// setThreshold has a socket count as readable when it has n bytes, or its end. It is only to save work: if it fails, one byte is enough.
func setThreshold(fd uintptr, n int) {
	setNow(fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n)
}

// unsentLimit is how many bytes a socket keeps unsent at most; zero if that is not bounded.
func unsentLimit(fd uintptr) int {
	n, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// limitUnsent bounds them. It is only to save work: if it fails, the bound stays what it was.
func limitUnsent(fd uintptr, n int) {
	syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n)
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
