package record

import "syscall"

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
