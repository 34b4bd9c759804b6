//go:build !linux

package record

import "errors"

// canTry tells whether sockets can be read without waiting, and wait for many bytes.
const canTry = false

func readNow(uintptr, []byte) (n int, empty bool, err error) { return 0, false, errors.ErrUnsupported }

func setThreshold(uintptr, int) {}

func canWait() bool { return false }
