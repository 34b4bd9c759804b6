//go:build linux && race

package record

import "syscall"

// The race detector has to see these calls: what was done before a write has happened before the read that gets it. A mark of
// our own beside raw calls would not do: the other end may be read in the ordinary way.

func readOnce(fd uintptr, p []byte) (int, syscall.Errno) { return told(syscall.Read(int(fd), p)) }

func writeOnce(fd uintptr, p []byte) (int, syscall.Errno) { return told(syscall.Write(int(fd), p)) }

func told(n int, err error) (int, syscall.Errno) {
	number, _ := err.(syscall.Errno)
	return n, number
}

func setNow(fd uintptr, level, option, value int) {
	syscall.SetsockoptInt(int(fd), level, option, value)
}
