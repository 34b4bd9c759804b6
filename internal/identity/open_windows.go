package identity

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// OpenToRead opens a file so that others may remove or rename it meanwhile, as everywhere else. Without FILE_SHARE_DELETE, which os.Open does
// not give, an open fails that meets the instant in which another process places the file.
func OpenToRead(path string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}

// renameTime is how long a rename waits for those who have the file open that it is to replace: they read a few kilobytes.
const renameTime = time.Second

// renameRetry is how often it is tried meanwhile.
const renameRetry = 5 * time.Millisecond

// rename is os.Rename, which Windows denies while somebody reads the file that is to be replaced, whatever sharing that one has asked for.
func rename(from, to string) error {
	retry, over := time.NewTicker(renameRetry), time.NewTimer(renameTime)
	defer retry.Stop()
	defer over.Stop()
	for {
		err := os.Rename(from, to)
		if !errors.Is(err, windows.ERROR_ACCESS_DENIED) && !errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
			return err
		}
		select {
		case <-retry.C:
		case <-over.C:
			return err
		}
	}
}
