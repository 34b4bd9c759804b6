//go:build !unix

package transfer

import "syscall"

// errQuota tells that a disk is full: ERROR_DISK_FULL.
const errQuota = syscall.Errno(112)
