//go:build linux || darwin

package transfer

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace is how many bytes an ordinary user may still write where dir is; unknown if the system does not tell.
func freeSpace(dir *os.File) (free uint64, known bool) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &s); err != nil || s.Blocks == 0 { // file systems without a size say 0 of 0
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}
