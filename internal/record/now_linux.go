//go:build linux && !race

package record

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never wait, so the scheduler is not told of them: it would otherwise take the processor away from a goroutine whose call takes
// longer than 20 us, as many do that move 128 KiB, and look every 20 us whether it should.

func readOnce(fd uintptr, p []byte) (int, syscall.Errno) { return call(syscall.SYS_READ, fd, p) }

func writeOnce(fd uintptr, p []byte) (int, syscall.Errno) { return call(syscall.SYS_WRITE, fd, p) }

func call(number, fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), err
}

// setNow sets a socket's option, also so often that the scheduler had better not be told: while all else waits, being told has it look around for
// milliseconds.
func setNow(fd uintptr, level, option, value int) {
	v := int32(value)
	unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
}
