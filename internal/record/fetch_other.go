//go:build !linux

package record

import "errors"

// canTry tells whether sockets can be read and written without waiting, and wait for many bytes.
const canTry = false

func readNow(uintptr, []byte) (n int, empty bool, err error) { return 0, false, errors.ErrUnsupported }

func writeNow(uintptr, []byte) (n int, full bool, err error) { return 0, false, errors.ErrUnsupported }

func unsentLimit(uintptr) int { return 0 }

func limitUnsent(uintptr, int) {}

func setThreshold(uintptr, int) {}

func canWait() bool { return false }
