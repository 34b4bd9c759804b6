//go:build unix

package reuseport

import (
	"math"

	"golang.org/x/sys/unix"
)

// Descriptors is how many descriptors this process may have open at a time.
func Descriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
