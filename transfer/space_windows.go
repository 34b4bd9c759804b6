package transfer

import (
	"os"

	"golang.org/x/sys/windows"
)

// freeSpace is how many bytes this user may still write where dir is; unknown if the system does not tell.
func freeSpace(dir *os.File) (free uint64, known bool) {
	name, err := windows.UTF16PtrFromString(dir.Name())
	if err != nil {
		return 0, false
	}
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err == nil
}
