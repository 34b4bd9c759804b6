//go:build unix

package transfer

import "syscall"

// errQuota tells that a user's share of a disk is full.
const errQuota = syscall.EDQUOT
