//go:build !windows

package identity

import "os"

// OpenToRead opens a file so that others may remove or rename it meanwhile.
func OpenToRead(path string) (*os.File, error) { return os.Open(path) }

func rename(from, to string) error { return os.Rename(from, to) }
